import type pg from "pg";
import { readConfig } from "#core/config/config.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { startLocalServer } from "../../../local/start-local-server.ts";
import { createEmptyDatabase } from "../database/test-database.ts";
import type { LocalSettings } from "./server-process.ts";
import { createTestFolder } from "./test-folder.ts";
import { waitFor } from "./wait-for.ts";

export type TestServer = {
  settings: LocalSettings;
  pool: pg.Pool;
  /** Waits until no job is open; fails after 15 s. */
  quiet: () => Promise<void>;
  one: (sql: string, values?: unknown[]) => Promise<Record<string, unknown> | undefined>;
  stop: () => Promise<void>;
};

/** The whole system in this process, on a database of its own and over real HTTP. */
export async function startTestServer(env: Record<string, string> = {}): Promise<TestServer> {
  const database = await createEmptyDatabase();
  const folder = await createTestFolder();
  const config = readConfig({ DATABASE_URL: database.url, PORT: String(await findFreePort()), ...env });
  const server = await startLocalServer({ config, folder: folder.path });
  const one = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows[0];
  return {
    settings: server.settings,
    pool: database.pool,
    one,
    quiet: () =>
      waitFor("an empty queue", async () => {
        const row = await one("select count(*)::int as n from job_queue where status in ('PENDING', 'PROCESSING')");
        return row?.["n"] === 0;
      }),
    stop: async () => {
      await server.stop();
      await database.drop();
      await folder.remove();
    },
  };
}
