import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type pg from "pg";
import { authSchema } from "../../../local/open-local-database.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { type ClerkSessions, startClerkSessions } from "../clerk/start-clerk-sessions.ts";
import { createEmptyDatabase, makeUsersTable } from "../database/test-database.ts";
import { type RestApi, startRestApi } from "./rest-api/start-rest-api.ts";

/** A Supabase project that trusts a Clerk instance, reached by unmodified supabase-js. */
export type Project = {
  pool: pg.Pool;
  api: RestApi;
  clerk: ClerkSessions;
  /** As an app's browser does: the publishable key and the session's token. */
  withToken: (token: string) => SupabaseClient;
  /** A signed-in user, with the claims of Clerk's Supabase integration. */
  asUser: (clerkId: string) => Promise<SupabaseClient>;
  /** With a key and no session. */
  withKey: (key: string) => SupabaseClient;
  stop: () => Promise<void>;
};

/** Starts it with the migrations applied to what `before` made of a fresh project: its default privileges, its tables. */
export async function startProject(before: string): Promise<Project> {
  const database = await createEmptyDatabase();
  const client = await database.pool.connect();
  await applyPrelude(client, authSchema);
  await client.query(before);
  await makeUsersTable(client);
  await migrate(client);
  client.release();
  const clerk = await startClerkSessions();
  const api = await startRestApi({ pool: database.pool, jwksUrl: clerk.jwksUrl });
  const withToken = (token: string) => createClient(api.url, api.keys.publishable, { accessToken: async () => token });
  return {
    pool: database.pool,
    api,
    clerk,
    withToken,
    asUser: async (sub) => withToken(await clerk.signSessionToken({ sub, role: "authenticated" })),
    withKey: (key) => createClient(api.url, key, { auth: { persistSession: false, autoRefreshToken: false } }),
    stop: async () => {
      await api.stop();
      await clerk.stop();
      await database.drop();
    },
  };
}
