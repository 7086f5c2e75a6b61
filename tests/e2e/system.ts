import { randomUUID } from "node:crypto";
import { test as base, expect } from "@playwright/test";
import pg from "pg";
import { signWebhook } from "#core/http/sign-webhook.ts";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import type { LocalSettings } from "../support/processes/server-process.ts";

export type AuthUser = {
  id: string;
  email: string;
  app_metadata: Record<string, unknown>;
  user_metadata: Record<string, unknown>;
};

/** The running system as a person would look at it: the webhook, the queue, the users table, Supabase Auth. */
export type System = {
  settings: LocalSettings;
  /** Posts an event as Clerk does; answers status and body. */
  send: (event: unknown, eventId?: string) => Promise<{ status: number; body: Record<string, unknown> }>;
  query: (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  jobs: (clerkId: string) => Promise<Record<string, unknown>[]>;
  user: (clerkId: string) => Promise<Record<string, unknown> | undefined>;
  /** null when Auth answers 404. */
  authUser: (clerkId: string) => Promise<AuthUser | null>;
  /** Waits until every job of the user has this status. */
  settled: (clerkId: string, statuses?: string[]) => Promise<void>;
};

export const test = base.extend<{ system: System }>({
  system: async ({ request }, use) => {
    const settings = JSON.parse(process.env["CLERK_SYNC_SETTINGS"] ?? "{}") as LocalSettings;
    const pool = new pg.Pool({ connectionString: settings.databaseUrl });
    const query = async (sql: string, values: unknown[] = []) => (await pool.query(sql, values)).rows;
    const jobs = (clerkId: string) =>
      query("select * from job_queue where clerk_id = $1 order by created_at", [clerkId]);
    await use({
      settings,
      query,
      jobs,
      send: async (event, eventId = `msg_${randomUUID()}`) => {
        const data = Buffer.from(JSON.stringify(event));
        const timestamp = Math.floor(Date.now() / 1000);
        const headers = await signWebhook({ secret: settings.webhookSecret, id: eventId, timestamp, body: data });
        const url = `${settings.url}/functions/v1/clerk-webhook`;
        const response = await request.post(url, { data, headers: { ...headers, "content-type": "application/json" } });
        return { status: response.status(), body: await response.json() };
      },
      user: async (clerkId) => (await query("select * from users where clerk_id = $1", [clerkId]))[0],
      authUser: async (clerkId) => {
        const url = `${settings.url}/auth/v1/admin/users/${authUserIdOf(clerkId)}`;
        const response = await request.get(url, { headers: { apikey: settings.secretKey } });
        return response.status() === 404 ? null : response.json();
      },
      settled: async (clerkId, statuses = ["COMPLETED"]) => {
        await expect
          .poll(async () => [...new Set((await jobs(clerkId)).map((job) => job["status"]))])
          .toEqual(statuses);
      },
    });
    await pool.end();
  },
});

export { expect };

/** A Clerk id nobody else has. */
export function newClerkId(): string {
  return `user_${randomUUID().replaceAll("-", "").slice(0, 27)}`;
}
