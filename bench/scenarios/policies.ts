import type pg from "pg";
import { alternate, makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import type { Context, Scenario } from "../scenario.ts";

const rowCount = 100_000;
const organizations = 1000;
/** The user's own organizations; 100 rows are of each. */
const mine = ["org_7", "org_77", "org_177", "org_277", "org_777"];
const queriesPerRound = 20;
const [helper, constants] = ["with the helper", "constants"];

const myConstants = `organization_id in (${mine.map((id) => `'${id}'`).join(", ")})`;

type Case = { what: string; policy: string; constants: string; hasIndex?: boolean; isSlow?: boolean; goal?: number };

/** What a policy over many rows may cost: 1.5 times the constants. */
const goal = 0.667;

/** The policies that docs/organizations.md shows, and what each is held against: the same condition with literals. */
const cases: readonly Case[] = [
  {
    what: "all my organizations: in (select clerk.my_org_ids())",
    policy: "organization_id in (select clerk.my_org_ids())",
    constants: myConstants,
    goal,
  },
  {
    what: "the same with an index: = any (array(select clerk.my_org_ids()))",
    policy: "organization_id = any (array(select clerk.my_org_ids()))",
    constants: myConstants,
    hasIndex: true,
  },
  {
    what: "the active organization: = (select clerk.org_id())",
    policy: "organization_id = (select clerk.org_id())",
    constants: "organization_id = 'org_7'",
    goal,
  },
  {
    what: "by role: clerk.member_role() for each of my organizations",
    policy:
      "organization_id in (select o.id from clerk.my_org_ids() as o(id) where clerk.member_role(o.id) = 'org:member')",
    constants: myConstants,
    goal,
  },
  {
    what: "by permission: clerk.member_has_permission() for each of my organizations",
    policy:
      "organization_id in (select o.id from clerk.my_org_ids() as o(id) where clerk.member_has_permission(o.id, 'org:notes:read'))",
    constants: myConstants,
    goal,
  },
  {
    what: "called for each row: clerk.is_member(organization_id)",
    policy: "clerk.is_member(organization_id)",
    constants: myConstants,
    isSlow: true,
  },
];

/** What does a policy with a helper cost? */
export const policiesScenario: Scenario = {
  name: "policies",
  question: "what does a policy with a helper cost, over 100,000 rows?",
  notes: [
    `Each table has ${rowCount.toLocaleString("en-US")} rows of ${organizations.toLocaleString("en-US")} organizations; the signed-in user is a member of ${mine.length}, of 50,000 memberships in all. A count of all rows under the policy, ${queriesPerRound} times a round (once where the helper is called for each row), over one connection. Only the table of the row that says so has an index.`,
  ],
  run,
};

async function run({ createDatabase, options, say, addUndo }: Context): Promise<Row[]> {
  const pool = openPool(await createDatabase("policies"), 1);
  addUndo(() => pool.end());
  await makeMemberships(pool);
  const rows: Row[] = [];
  for (const [place, one] of cases.entries()) {
    const tables = [
      [helper, `public.helped_${place}`],
      [constants, `public.constant_${place}`],
    ] as const;
    for (const [side, table] of tables) {
      await makeTable(pool, table, side === helper ? one.policy : one.constants, one.hasIndex === true);
    }
    const queries = one.isSlow === true ? 1 : queriesPerRound;
    const measured = await alternate(one.what, tables, { ...options, say }, (table) => measure(pool, table, queries));
    const sides = Object.fromEntries(measured);
    rows.push(makeRow({ what: one.what, unit: "ms", sides, of: helper, against: [constants], goal: one.goal }));
  }
  return rows;
}

async function makeMemberships(pool: pg.Pool): Promise<void> {
  await pool.query(`
    create table public.memberships (id text primary key, organization_id text, user_id text, role text);
    insert into public.memberships
    select 'orgmem_' || n, 'org_' || n % ${organizations}, 'user_' || n, 'org:member' from generate_series(1, 50000) as n;
    create index on public.memberships (user_id);
    create table public.roles (id text primary key, key text, permissions text[]);
    insert into public.roles values ('role_1', 'org:member', '{org:notes:read}'), ('role_2', 'org:admin', '{org:notes:manage}');
    create or replace view clerk_sync.membership_rows with (security_invoker = true) as
    select m.id, m.organization_id, m.user_id, m.role, null::timestamptz as deleted_at, null::jsonb as mapped
    from public.memberships as m;
    create or replace view clerk_sync.role_rows with (security_invoker = true) as
    select r.id, r.key, r.permissions, null::timestamptz as deleted_at, null::jsonb as mapped
    from public.roles as r`);
  const ids = mine.map((_, place) => `orgmem_mine_${place}`);
  await pool.query(
    "insert into public.memberships select m.id, m.org, 'user_me', 'org:member' from unnest($1::text[], $2::text[]) as m(id, org)",
    [ids, mine],
  );
}

async function makeTable(pool: pg.Pool, table: string, condition: string, isIndexed: boolean): Promise<void> {
  await pool.query(`
    create table ${table} (id bigint generated always as identity primary key, organization_id text not null, body text not null);
    insert into ${table} (organization_id, body)
    select 'org_' || n % ${organizations}, 'a note of some length ' || n from generate_series(1, ${rowCount}) as n;
    ${isIndexed ? `create index on ${table} (organization_id);` : ""}
    alter table ${table} enable row level security;
    grant select on ${table} to authenticated;
    create policy members on ${table} for select to authenticated using (${condition})`);
  await pool.query(`vacuum analyze ${table}`);
}

/** Milliseconds of one query, as the API makes it: with the token of a user whose active organization is the first. */
async function measure(pool: pg.Pool, table: string, queries: number): Promise<number> {
  const client = await pool.connect();
  try {
    const claims = { sub: "user_me", v: 2, o: { id: mine[0], rol: "member" } };
    await client.query("begin");
    await client.query("set local role authenticated");
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    const start = performance.now();
    for (let query = 0; query < queries; query++) {
      const { rows } = await client.query(`select count(*)::integer as count from ${table}`);
      if (rows[0].count % 100 !== 0 || rows[0].count === 0) throw new RangeError(`${table}: ${rows[0].count} rows`);
    }
    return (performance.now() - start) / queries;
  } finally {
    await client.query("rollback");
    client.release();
  }
}
