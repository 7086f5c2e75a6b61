import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generateUsers } from "../../../mapping/generate-users.ts";
import { readMigrations } from "../../../server/migrate.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { changeMapping } from "../../support/mapping/contract-mapping.ts";

type Described = { kind: string; relation: string; name: string; definition: string };
type Finding = { object: string; state: "missing" | "changed"; status: "degraded" | "compromised" };

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

const migration = (await readMigrations()).map(({ sql }) => sql).join("\n");

/** Runs the work in a transaction that is rolled back. */
async function undone<Result>(work: (client: pg.ClientBase) => Promise<Result>): Promise<Result> {
  const client = await queue.pool.connect();
  try {
    await client.query("begin");
    return await work(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

/** As the API asks. */
async function find(client: pg.ClientBase): Promise<Finding[]> {
  await client.query("set local role service_role");
  const { rows } = await client.query("select public.clerk_sync_object_findings() as found");
  await client.query("reset role");
  return rows[0].found;
}

async function describeAll(client: pg.ClientBase): Promise<Described[]> {
  const { rows } = await client.query<Described>(
    'select * from clerk_sync.describe_objects() order by kind collate "C", relation collate "C", name collate "C"',
  );
  return rows;
}

const findAfter = (sql: string) => undone((client) => client.query(sql).then(() => find(client)));

const words = ({ object, state, status }: Finding) => `${status}: ${object} is ${state}`;

it("nothing differs after the migration, and after a second run of it", async () => {
  expect(await findAfter("")).toEqual([]);
  expect(await findAfter(migration)).toEqual([]);
});

it.each([
  [
    "drop function public.clerk_sync_purge_jobs",
    ["compromised: function public.clerk_sync_purge_jobs(integer,integer,timestamp with time zone) is missing"],
  ],
  ["drop index public.job_queue_due_idx", ["degraded: index public.job_queue_due_idx is missing"]],
  ["drop index public.job_queue_event_id_key", ["compromised: index public.job_queue_event_id_key is missing"]],
  [
    "drop trigger record_hand_edit on public.job_queue",
    ["degraded: trigger record_hand_edit on public.job_queue is missing"],
  ],
  [
    "alter table public.job_queue disable trigger record_hand_edit",
    ["degraded: trigger record_hand_edit on public.job_queue is changed"],
  ],
  [
    "alter table public.job_queue disable row level security",
    ["compromised: row level security of public.job_queue is changed"],
  ],
  ["drop policy users_select_own on public.users", ["degraded: policy users_select_own on public.users is missing"]],
  [
    "alter table public.users disable row level security",
    ["compromised: row level security of public.users is changed"],
  ],
  [
    "alter policy users_update_own on public.users using (true)",
    ["degraded: policy users_update_own on public.users is changed"],
  ],
  [
    "drop policy job_queue_service_role on public.job_queue",
    ["degraded: policy job_queue_service_role on public.job_queue is missing"],
  ],
  [
    "alter table public.job_queue drop constraint status_is_known",
    ["degraded: constraint status_is_known on public.job_queue is missing"],
  ],
  [
    "alter table clerk_sync.records drop constraint records_pkey",
    ["compromised: constraint records_pkey on clerk_sync.records is missing"],
  ],
  [
    "alter table clerk_sync.records drop column trusted_version cascade",
    [
      "compromised: view clerk_sync.known_users is missing",
      "compromised: column clerk_sync.records.trusted_version is missing",
      "compromised: function clerk_sync.differing_fields(text,jsonb,clerk_sync.known_users) is missing",
    ],
  ],
  [
    "alter table public.job_queue alter column max_attempts set default 1",
    ["degraded: column public.job_queue.max_attempts is changed"],
  ],
  [
    "create or replace function clerk_sync.kind_of(p_value jsonb) returns text language sql immutable set search_path = '' as $$ select 'x' $$",
    ["degraded: function clerk_sync.kind_of(jsonb) is changed"],
  ],
  ["alter function clerk_sync.kind_of reset search_path", ["degraded: function clerk_sync.kind_of(jsonb) is changed"]],
  [
    "revoke insert on public.job_queue from service_role",
    ["compromised: rights on public.job_queue (service_role may not insert) is changed"],
  ],
  [
    "revoke select on public.users from authenticated",
    ["degraded: rights on public.users (authenticated may not select) is changed"],
  ],
  [
    "revoke update (name) on public.users from authenticated",
    ["degraded: rights on public.users.name (authenticated may not update) is changed"],
  ],
  ["grant select on public.job_queue to anon", ["degraded: rights on public.job_queue (anon may select) is changed"]],
  [
    "grant execute on function clerk_sync.kind_of to public",
    ["degraded: rights on clerk_sync.kind_of(jsonb) (public may call it) is changed"],
  ],
  ["drop schema clerk_sync cascade", ["compromised: schema clerk_sync is missing"]],
  [
    "drop schema clerk_sync cascade; drop table public.job_queue",
    ["compromised: schema clerk_sync is missing", "compromised: table public.job_queue is missing"],
  ],
  ["drop table clerk_sync.objects cascade", ["compromised: table clerk_sync.objects is missing"]],
  ["drop function clerk_sync.describe_objects", ["compromised: function clerk_sync.describe_objects() is missing"]],
])("%s", async (sql, found) => {
  expect((await findAfter(sql)).map(words)).toEqual(found);
});

/** Statements that drop every object of a kind, or change it. The last word of an argument list is the type. */
const drops: Readonly<Record<string, (object: Described) => string>> = {
  table: ({ name }) => `drop table if exists ${name} cascade`,
  view: ({ name }) => `drop view if exists ${name} cascade`,
  type: ({ name }) => `drop type if exists ${name} cascade`,
  function: ({ name }) => `drop function if exists ${name} cascade`,
  constraint: ({ relation, name }) => `alter table ${relation} drop constraint if exists ${name} cascade`,
  index: ({ name }) => `drop index if exists ${name}`,
  trigger: ({ relation, name }) => `drop trigger ${name} on ${relation}`,
  policy: ({ relation, name }) => `drop policy ${name} on ${relation}`,
  "row level security": ({ relation }) => `alter table ${relation} disable row level security`,
};

/** Statements that change an object of a kind. */
const changes: Readonly<Record<string, (object: Described) => string>> = {
  "function (its settings)": ({ name }) => `alter function ${name} reset all`,
  "index (another of its name)": ({ relation, name }) =>
    `drop index ${name}; create index ${name.split(".")[1]} on ${relation} ((1))`,
  "constraint (another of its name)": ({ relation, name, definition }) =>
    definition.startsWith("CHECK")
      ? `alter table ${relation} drop constraint ${name}; alter table ${relation} add constraint ${name} check (true)`
      : "",
  "policy (its condition)": ({ relation, name }) => `alter policy ${name} on ${relation} using (false)`,
  "trigger (disabled)": ({ relation, name }) => `alter table ${relation} disable trigger ${name}`,
};

describe("a run of the migration restores", () => {
  /** Damages the objects, and compares what there is after the migration with what there was. */
  async function expectRestored(pick: (objects: Described[]) => string[]): Promise<void> {
    await undone(async (client) => {
      const before = await describeAll(client);
      const statements = pick(before).filter((statement) => statement !== "");
      expect(statements.length).toBeGreaterThan(0);
      for (const statement of statements) await client.query(statement);
      // of a lost note only its table is said, or a function that reads it
      expect((await find(client)).length).toBeGreaterThan(0);
      await client.query(migration);
      expect(await describeAll(client)).toEqual(before);
      expect(await find(client)).toEqual([]);
    });
  }

  const isAsked = ({ name }: Described) => !/describe_objects|object_differences|object_findings/.test(name);
  const isNoted = ({ relation, name }: Described) =>
    ![relation, name].some((one) => one.startsWith("clerk_sync.objects"));

  it.each(Object.entries(drops))("each %s that was dropped", async (kind, drop) => {
    await expectRestored((objects) =>
      objects.filter((object) => object.kind === kind && isNoted(object) && isAsked(object)).map(drop),
    );
  });

  it.each(Object.entries(changes))("each %s that was changed", async (name, change) => {
    const kind = name.slice(0, name.indexOf(" ("));
    await expectRestored((objects) =>
      objects.filter((object) => object.kind === kind && isAsked(object) && isNoted(object)).map(change),
    );
  });

  it("each column that was dropped", async () => {
    await expectRestored((objects) => {
      const tables = new Set(objects.filter(({ kind }) => kind === "table").map(({ name }) => name));
      return objects
        .filter((object) => object.kind === "column" && tables.has(object.relation) && isNoted(object))
        .filter(({ definition }) => !/ not null(?! default| generated)/.test(definition)) // rows that are there have no value
        .map(({ relation, name }) => `alter table ${relation} drop column if exists ${name} cascade`);
    });
  });

  it.each([
    "alter table public.job_queue alter column lease_token type text, alter column attempts drop not null",
    "alter table public.job_queue alter column max_attempts set default 1, alter column source drop default",
    "alter type clerk_sync.apply_rules drop attribute lease_until cascade",
    "drop function clerk_sync.kind_of cascade; create function clerk_sync.kind_of(p_value jsonb) returns integer language sql as $$ select 1 $$",
    "revoke all on all functions in schema clerk_sync from service_role; revoke all on public.job_queue from service_role",
    "grant all on public.job_queue to anon; grant all on all tables in schema clerk_sync to public",
    "revoke usage on schema clerk_sync from service_role; revoke all on public.users from service_role, authenticated",
    "drop schema clerk_sync cascade",
    "drop schema clerk_sync cascade; drop table public.job_queue",
    "drop table public.job_queue cascade; alter table public.users disable row level security",
    "drop function public.clerk_sync_schema_version",
    "drop table clerk_sync.records cascade",
    "drop table clerk_sync.objects cascade",
    "drop function public.clerk_sync_object_findings",
  ])("after: %s", async (sql) => {
    await undone(async (client) => {
      const before = await describeAll(client);
      await client.query(sql);
      await client.query(migration);
      expect(await describeAll(client)).toEqual(before);
    });
  });
});

it("rows stay, and the sync works on, when a column, an index and a constraint come back", async () => {
  await undone(async (client) => {
    await client.query("insert into public.job_queue (job_type, clerk_id) values ('USER_UPDATED', 'user_kept')");
    const drop = "drop column runs_alone cascade, drop constraint status_is_known, alter column run_at drop default";
    await client.query(`alter table public.job_queue ${drop}; drop index public.job_queue_event_id_key`);
    await client.query(migration);
    const { rows } = await client.query("select clerk_id, runs_alone, status from public.job_queue");
    expect(rows).toEqual([{ clerk_id: "user_kept", runs_alone: false, status: "PENDING" }]);
    expect(await find(client)).toEqual([]);
  });
});

const owners = `
  create function public.owners() returns trigger language plpgsql as $$ begin return new; end $$;
  create index owners_idx on public.job_queue (error);
  create trigger owners before insert on public.job_queue for each row execute function public.owners();
  create policy owners on public.job_queue for select to authenticated using (false);
  alter table public.job_queue add column owners text constraint owners_check check (owners <> '');
  create policy owners on public.users for select to authenticated using (false);
  create index owners_users_idx on public.users (name);
  grant select on public.users to anon;
  do $$ begin create role owners; exception when duplicate_object then null; end $$;
  grant select on public.job_queue to owners;`;

const ownersAreGone = `
  drop trigger owners on public.job_queue;
  drop index public.owners_idx;
  drop policy owners on public.job_queue;
  alter table public.job_queue drop column owners;
  drop policy owners on public.users;
  drop index public.owners_users_idx;
  revoke select on public.users from anon;
  revoke select on public.job_queue from owners;`;

it.each([
  ["comes", owners],
  ["comes and goes", owners + ownersAreGone],
  ["was there when the migration ran, and goes", owners + migration + ownersAreGone],
  [
    "stood on a queue that the migration took over, and goes",
    `drop schema clerk_sync cascade; drop function public.clerk_sync_schema_version;
     alter table public.job_queue drop column event_id cascade; ${owners} ${migration} ${ownersAreGone}`,
  ],
  [
    "changes what is the owner's",
    "alter table public.job_queue set (autovacuum_enabled = off); comment on table public.job_queue is 'x'",
  ],
])("what an owner adds is no finding when it %s", async (_, sql) => {
  expect(await findAfter(sql)).toEqual([]);
});

it("where access is left to the owner, row level security and policies are no finding", async () => {
  const leave = generateUsers(changeMapping({ access: { kind: "leave" } }));
  expect(
    await findAfter(
      `${leave}; alter table public.users disable row level security; drop policy users_select_own on public.users`,
    ),
  ).toEqual([]);
  expect((await findAfter(`${leave}; revoke update on public.users from service_role`)).map(words)).toEqual([
    "compromised: rights on public.users (service_role may not update) is changed",
  ]);
});

it("another release of PostgreSQL may word definitions differently: then only what is missing counts", async () => {
  const changed =
    "update clerk_sync.objects set definition = 'in other words' where kind in ('index', 'constraint', 'view')";
  expect((await findAfter(changed)).length).toBeGreaterThan(50);
  const release = "update clerk_sync.objects set definition = '9' where kind = 'release'";
  expect(await findAfter(`${changed}; ${release}`)).toEqual([]);
  expect(await findAfter(`${changed}; ${release}; drop index public.job_queue_due_idx`)).toHaveLength(1);
});
