import { expect } from "vitest";
import type { z } from "zod";
import { refusalSchema } from "#core/admin/contract/overview.ts";
import { type AdminOptions, createAdmin } from "#core/admin/handle-admin.ts";
import type { AdminRoute } from "#core/admin/route.ts";
import { rootFields } from "../clerk/root-fields.ts";

export type AdminAnswer = { status: number; headers: Headers; body: Record<string, unknown> };
export type AskAdmin = (
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<AdminAnswer>;

export const adminKey = "sb_secret_admin_0123456789";

/** sync-admin over functions that answer what is given, for tests without a database. */
export function adminOptions(changes: Partial<AdminOptions> = {}): AdminOptions {
  return {
    config: {
      adminRoles: { operator: [], viewer: [] },
      adminOrigins: [],
      sessionIssuer: null,
      authorizedParties: [],
      maxAttempts: 15,
    },
    secretKeys: [adminKey],
    call: async () => null,
    readUser: null,
    auth: null,
    slices: null,
    fields: rootFields,
    onQueued: () => undefined,
    now: Date.now,
    ...changes,
  };
}

export const adminRoutes: readonly AdminRoute[] = createAdmin(adminOptions()).routes;

/**
 * Asks sync-admin at `url` with these headers. Every answer has to be what the document says of its route, without a
 * field too many; every refusal has the form of all.
 */
export function createAskAdmin(url: string, headers: Record<string, string>): AskAdmin {
  return async (method, path, body, otherHeaders) => {
    const init = {
      method,
      headers: otherHeaders ?? headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const response = await fetch(`${url}${path}`, init);
    const answer = (await response.json()) as Record<string, unknown>;
    checkAnswer({ method, path, status: response.status, answer });
    return { status: response.status, headers: response.headers, body: answer };
  };
}

type Answered = { method: string; path: string; status: number; answer: unknown };

export function checkAnswer({ method, path, status, answer }: Answered): void {
  const route = findRoute(method, path.split("?")[0] ?? "");
  const schema: z.ZodType = status === 200 && route !== undefined ? route.answer : refusalSchema;
  expect(schema.parse(answer), `${method} ${path}`).toEqual(answer);
}

/** Of several that fit, the one whose path has no parameter there. */
function findRoute(method: string, path: string): AdminRoute | undefined {
  const fits = adminRoutes.filter((route) => {
    const pattern = new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+").replaceAll(".", "\\.")}$`);
    return route.method === method.toLowerCase() && pattern.test(path);
  });
  return fits.find((route) => route.path === path) ?? fits[0];
}
