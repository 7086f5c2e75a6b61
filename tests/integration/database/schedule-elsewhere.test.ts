import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { explainSchedule, scheduleSchema } from "../../../cli/doctor/check-schedule.ts";
import { authSchema } from "../../../local/open-local-database.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { withConnection } from "../../../server/with-connection.ts";
import { hasDebianExtension } from "../../support/database/debian-postgres.ts";
import { makeUsersTable } from "../../support/database/test-database.ts";
import { startSupabaseDatabase } from "../../support/supabase/start-supabase-database.ts";

const hasCron = await hasDebianExtension("pg_cron", "postgresql-15-cron");
const scheduleSql = new URL("../../../supabase/schemas/22_schedule_and_retention.sql", import.meta.url);

// Prisma, for one, applies migrations to a shadow database first. pg_cron works in the one database that it is configured for.
it.skipIf(!hasCron)("beside the database of pg_cron the schedule is left out, and doctor says so", async () => {
  const supabase = await startSupabaseDatabase();
  await supabase.client.query("create database shadow");
  const url = new URL(supabase.url);
  url.pathname = "/shadow";
  // Debian has no pg_net, without which the migration does not try.
  const sql = (await readFile(scheduleSql, "utf8"))
    .replace("e.name = 'pg_net'", "true")
    .replace("    create extension if not exists pg_net with schema extensions;\n", "");
  const state = await withConnection(url.href, async (client) => {
    await applyPrelude(client, authSchema);
    await makeUsersTable(client);
    await migrate(client);
    await client.query(sql);
    const { rows } = await client.query("select clerk_sync_schedule_state() as state, clerk_sync_schedule() as done");
    expect(rows[0].done).toBe(false);
    return scheduleSchema.parse(rows[0].state);
  });
  expect(explainSchedule(state, true)[0]).toMatchObject({
    state: "warning",
    what: "there is no pg_cron in this database",
  });
  await supabase.stop();
});
