import { afterEach, beforeEach, expect, it } from "vitest";
import { plainConfiguration } from "../../../mapping/expand-configuration.ts";
import { applyPrelude } from "../../../server/migrate.ts";
import { migrateDatabase } from "../../../server/migrate-database.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { configureUsers, teamFiles, type UsersFile } from "../../support/mapping/configure-users.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase();
});
afterEach(() => database.drop());

/** Names that an object of another tool may want: of a schema, and of a table. A row type has the name of its table. */
const names = `
  select concat_ws(' ', 'relation', c.relname) as name
  from pg_catalog.pg_class as c
  where c.relnamespace = 'public'::regnamespace
  union all
  select concat_ws(' ', 'type', t.typname)
  from pg_catalog.pg_type as t
  where t.typnamespace = 'public'::regnamespace and t.typrelid = 0 and t.typelem = 0
  union all
  select concat_ws(' ', 'function', p.proname)
  from pg_catalog.pg_proc as p
  where p.pronamespace = 'public'::regnamespace
  union all
  select concat_ws(' ', 'constraint', k.conname, 'on', k.conrelid::regclass)
  from pg_catalog.pg_constraint as k
  where k.connamespace = 'public'::regnamespace and k.contype in ('p', 'u', 'x', 'f', 'c')
  union all
  select concat_ws(' ', 'trigger', t.tgname, 'on', t.tgrelid::regclass)
  from pg_catalog.pg_trigger as t
  where not t.tgisinternal
  union all
  select concat_ws(' ', 'policy', p.policyname, 'on', p.tablename)
  from pg_catalog.pg_policies as p
  where p.schemaname = 'public'
  order by 1`;

async function readNames(): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(names);
  return rows.map(({ name }) => name);
}

/** What Prisma and Drizzle choose begins with the name of the table; Supabase's templates name policies in sentences. */
const ours = /^(relation|type|function|constraint|trigger|policy) (clerk_sync_|job_queue(_|$)|.* on job_queue$)/;
/** An app may know them: users_select_own and users_update_own are those of projects from before. */
const policies = /^policy users_(select_own|update_own|update_at_most_64_kb) on /;

const long = "a_table_with_a_name_that_is_nearly_as_long_as_one_can_be_in_it";
const cases: readonly (readonly [string, string, UsersFile, string])[] = [
  ...(Object.keys(teamFiles) as (keyof typeof teamFiles)[]).map(
    (team) => [`the table ${team}`, teamTables[team], teamFiles[team], ""] as const,
  ),
  [
    "a table whose access is handed over",
    `${teamTables.roles}; alter table users enable row level security`,
    { ...teamFiles.roles, editable: ["role"] },
    "",
  ],
  [
    "a table that the migration makes",
    "",
    { key: "clerk_id", columns: { id: "uuid", email: "email", name: "name" }, editable: ["name"] },
    "relation users",
  ],
  [
    "a table that the migration makes, with a long name",
    "",
    { table: long, key: "clerk_id", columns: { id: "uuid", email: "email" } },
    `relation ${long}`,
  ],
];

it.each(cases)("beside %s each name that the migration makes is one of its own", async (_, ddl, file, made) => {
  const client = await database.pool.connect();
  await applyPrelude(client, null);
  client.release();
  await database.pool.query(ddl);
  const before = new Set(await readNames());
  await migrateDatabase(database.url, { configuration: { ...plainConfiguration, ...configureUsers(file) } });
  const added = (await readNames()).filter((name) => !before.has(name));
  expect(added.length).toBeGreaterThan(50);
  expect(added.filter((name) => !ours.test(name) && !policies.test(name) && name !== made)).toEqual([]);
});
