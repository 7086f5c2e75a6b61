import { Hono } from "hono";
import { createAuthStandIn } from "../../../local/supabase/auth/routes.ts";
import type { TestDatabase } from "../database/test-database.ts";

export const secretKey = "sb_secret_for-tests-only";

/** The headers of a caller that sends no API version, and of one that does, as supabase-js. */
export const keyOnly = { apikey: secretKey };
export const versioned = { ...keyOnly, "X-Supabase-Api-Version": "2024-01-01" };

export type AuthCall = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<{ status: number; headers: Headers; body: AuthBody }>;

/** What the routes answer: a user, a page of users, or an error. */
export type AuthBody = Record<string, unknown> & {
  id: string;
  created_at: string;
  banned_until: string;
  identities: { id: string; email?: string; identity_data: Record<string, unknown> }[];
  users: (Record<string, unknown> & { id: string; email: string })[];
};

/** The stand-in on a test's database, mounted where the server mounts it. */
export function mountAuthStandIn({ pool }: TestDatabase): Hono {
  return new Hono().route("/auth/v1", createAuthStandIn({ pool, secretKey }));
}

/** Calls `/admin/users<path>` of it without HTTP; a body that is text goes as it is, any other as JSON. */
export function createAuthCall(app: Hono): AuthCall {
  return async (method, path, body, headers = versioned) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const sent = text === undefined ? {} : { body: text };
    const response = await app.request(`/auth/v1/admin/users${path}`, { method, headers, ...sent });
    return { status: response.status, headers: response.headers, body: (await response.json()) as AuthBody };
  };
}
