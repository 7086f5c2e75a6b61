import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { deletedEvent, type UserFacts, userEvent } from "../clerk/build-event.ts";
import { teamFiles, type UsersFile } from "./configure-users.ts";
import type { teamTables } from "./team-tables.ts";

type Row = Record<string, unknown>;
type Snapshot = ReturnType<typeof userEvent>["data"];
type Event = ReturnType<typeof userEvent> | ReturnType<typeof deletedEvent>;

/** One fact of a case: what happens, in this order, and the rows that there are then. */
export type Step = {
  that: string;
  /** The app, or its owner, does this. */
  sql?: string;
  /** The people of this instance are those of the rows, and `users relink` gives the rows its ids. */
  relinksTo?: readonly Snapshot[];
  /** Clerk sends them, one after the other; each comes by a signed webhook. */
  events?: readonly Event[];
  /** This user signs in, of whom no event has come: ensure-user makes the row. */
  signsIn?: Snapshot;
  query: string;
  rows: readonly Row[];
};

/** The time while one mapping holds. Before a further part the database is migrated, and the functions are deployed. */
export type Part = { file: UsersFile; steps: readonly Step[] };

/** A table of a team, played on Node and as Edge Functions. */
export type TeamCase = {
  name: string;
  table: keyof typeof teamTables;
  /** What else the team has, before the sync comes. */
  before?: string;
  /** What this asks for stays as it is, whatever happens. */
  unchanged?: string;
  parts: readonly Part[];
};

const created = (facts: UserFacts, data: Row = {}) => withData("user.created", facts, data);
const updated = (facts: UserFacts, data: Row = {}) => withData("user.updated", facts, data);
const atClerk = (facts: UserFacts, data: Row = {}) => updated(facts, data).data;

function withData(type: "user.created" | "user.updated", facts: UserFacts, data: Row) {
  const event = userEvent(type, facts);
  return { ...event, data: { ...event.data, ...data } };
}

const picture = "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9"; // of the fixture

/** What a table's owner decides: policies, and who may do what but for the sync's role. */
function accessOf(table: string): string {
  return `
    select
      c.relrowsecurity as secured,
      (select jsonb_agg(to_jsonb(p) order by p.policyname) from pg_policies as p where p.tablename = c.relname) as policies,
      (
        select jsonb_agg(format('%s %s', a.grantee::regrole, a.privilege_type) order by a.grantee::regrole::text, a.privilege_type)
        from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as a
        where a.grantee <> 'service_role'::regrole
      ) as grants,
      (
        select jsonb_agg(format('%s %s', a.attname, a.attacl) order by a.attnum)
        from pg_attribute as a
        where a.attrelid = c.oid and a.attacl is not null
      ) as column_grants
    from pg_class as c
    where c.oid = '${table}'::regclass`;
}

const profiles: TeamCase = {
  name: "a table of another name whose primary key is Clerk's id",
  table: "profiles",
  before: `
    alter table public.profiles enable row level security;
    create policy "Profiles are public" on public.profiles for select using (true);
    create policy "Own profile" on public.profiles for update to authenticated using (id = (select auth.jwt() ->> 'sub'));
    revoke all on public.profiles from anon, authenticated, service_role;
    grant select (id, username) on public.profiles to anon;
    grant select, update on public.profiles to authenticated;
    insert into public.posts (author) values ('user_old1');`,
  unchanged: accessOf("public.profiles"),
  parts: [
    {
      file: teamFiles.profiles,
      steps: [
        {
          that: "a new user has all five columns",
          events: [created({ id: "user_new1", version: 1 }, { username: "grace" })],
          query: "select * from public.profiles where id = 'user_new1'",
          rows: [
            {
              id: "user_new1",
              username: "grace",
              full_name: "Ada Lovelace",
              avatar_url: picture,
              email: "user_new1@example.com",
            },
          ],
        },
        {
          that: "the row that was there is updated, and what refers to it stays",
          events: [updated({ id: "user_old1", version: 1, email: "new@example.com" }, { username: "ada2" })],
          query: "select p.*, o.author from public.profiles as p join public.posts as o on o.author = p.id",
          rows: [
            {
              id: "user_old1",
              username: "ada2",
              full_name: "Ada Lovelace",
              avatar_url: picture,
              email: "new@example.com",
              author: "user_old1",
            },
          ],
        },
        {
          that: "a user who signs in before the webhook comes has all five columns too, and the webhook changes nothing",
          signsIn: atClerk({ id: "user_seen1", version: 1, lastName: "Hopper" }, { username: "hopper" }),
          query: "select * from public.profiles where id = 'user_seen1'",
          rows: [
            {
              id: "user_seen1",
              username: "hopper",
              full_name: "Ada Hopper",
              avatar_url: picture,
              email: "user_seen1@example.com",
            },
          ],
        },
        {
          that: "the newest event counts, in whatever order they come, and a deleted user does not come back",
          events: [
            updated({ id: "user_order1", version: 3 }, { username: "three" }),
            created({ id: "user_order1", version: 1 }, { username: "one" }),
            updated({ id: "user_order1", version: 2 }, { username: "two" }),
            deletedEvent({ id: "user_new1", version: 2 }),
            updated({ id: "user_new1", version: 9 }, { username: "late" }),
          ],
          query: "select id, username from public.profiles order by id",
          rows: [
            { id: "user_old1", username: "ada2" },
            { id: "user_order1", username: "three" },
            { id: "user_seen1", username: "hopper" },
          ],
        },
      ],
    },
  ],
};

const prismaRow = `select id, "clerkId", email, "firstName", "lastName", "imageUrl", "createdAt"::text,
  "updatedAt" is not null as stamped from "User"`;

const prisma: TeamCase = {
  name: "the default model of Prisma",
  table: "prisma",
  unchanged: accessOf('public."User"'),
  parts: [
    {
      file: teamFiles.prisma,
      steps: [
        {
          that: "a new user has an id that only the ORM would fill, and both times",
          events: [created({ id: "user_p1", version: 1 })],
          query: `${prismaRow} where "clerkId" = 'user_p1'`,
          rows: [
            {
              id: authUserIdOf("user_p1"), // a UUIDv5 of Clerk's id
              clerkId: "user_p1",
              email: "user_p1@example.com",
              firstName: "Ada",
              lastName: "Lovelace",
              imageUrl: picture,
              createdAt: "2025-11-23 08:40:00",
              stamped: true,
            },
          ],
        },
        {
          that: "a later event changes what it says, and never the id",
          events: [updated({ id: "user_p1", version: 2, firstName: "Grace", lastName: null })],
          query: `select id, "firstName", "lastName" from "User" where "clerkId" = 'user_p1'`,
          rows: [{ id: authUserIdOf("user_p1"), firstName: "Grace", lastName: null }],
        },
        {
          that: "a user without an address has a placeholder, and so has one who lost it to somebody else",
          events: [
            created({ id: "user_p2", version: 1, email: null }),
            created({ id: "user_p3", version: 1, email: "moves@example.com" }),
            created({ id: "user_p4", version: 2, email: "moves@example.com" }),
          ],
          query: `select "clerkId", email from "User" where "clerkId" in ('user_p2', 'user_p3', 'user_p4') order by 1`,
          rows: [
            { clerkId: "user_p2", email: "user_p2@users.invalid" },
            { clerkId: "user_p3", email: "user_p3@users.invalid" },
            { clerkId: "user_p4", email: "moves@example.com" },
          ],
        },
        {
          that: "a user who signs in before the webhook comes has the same id as from an event",
          signsIn: atClerk({ id: "user_p5", version: 1 }),
          query: `select id, email from "User" where "clerkId" = 'user_p5'`,
          rows: [{ id: authUserIdOf("user_p5"), email: "user_p5@example.com" }],
        },
        {
          that: "nothing of the sync has a name that an ORM would choose",
          query: `
            select c.relname as name from pg_class as c join pg_index as i on i.indexrelid = c.oid
            where i.indrelid = '"User"'::regclass and c.relname not like 'clerk_sync%' order by c.relname collate "C"`,
          rows: [{ name: "User_clerkId_key" }, { name: "User_email_key" }, { name: "User_pkey" }],
        },
      ],
    },
  ],
};

const again = "again@example.com";

const drizzle: TeamCase = {
  name: "a table of Drizzle with Clerk's id in a column of its own, whose deleted rows are marked",
  table: "drizzle",
  unchanged: accessOf("public.users"),
  parts: [
    {
      file: teamFiles.drizzle,
      steps: [
        {
          that: "a user whose address changed keeps the one row, and the role that Clerk never gave",
          sql: "update users set organization_id = 'org_1' where clerk_user_id = 'user_old3'",
          events: [updated({ id: "user_old3", version: 1, email: "new3@example.com", firstName: "Olde" })],
          query: "select * from users",
          rows: [
            {
              id: 1,
              clerk_user_id: "user_old3",
              email: "new3@example.com",
              first_name: "Olde",
              last_name: "Lovelace",
              image_url: picture,
              organization_id: "org_1",
              role: "editor",
              deleted_at: null,
            },
          ],
        },
        {
          that: "a user who signs in before the webhook comes has an id of the serial and the default role",
          signsIn: atClerk({ id: "user_d1", version: 1 }),
          query: "select id > 1 as has_id, role from users where clerk_user_id = 'user_d1'",
          rows: [{ has_id: true, role: "viewer" }],
        },
        {
          that: "two deletions and sign-ups with one address in a row work",
          events: [
            created({ id: "user_again1", version: 1, email: again }),
            deletedEvent({ id: "user_again1", version: 2 }),
            created({ id: "user_again2", version: 3, email: again }),
            deletedEvent({ id: "user_again2", version: 4 }),
            created({ id: "user_again3", version: 5, email: again }),
          ],
          query: `
            select clerk_user_id, deleted_at is not null as is_deleted, email = '${again}' as has_address
            from users where clerk_user_id like 'user_again%' order by 1`,
          rows: [
            { clerk_user_id: "user_again1", is_deleted: true, has_address: true },
            { clerk_user_id: "user_again2", is_deleted: true, has_address: true },
            { clerk_user_id: "user_again3", is_deleted: false, has_address: true },
          ],
        },
      ],
    },
  ],
};

const roleOf = (clerkId: string) => `select role from users where clerk_id = '${clerkId}'`;

const roles: TeamCase = {
  name: "roles that live in the table of the app",
  table: "roles",
  unchanged: accessOf("public.users"),
  parts: [
    {
      file: teamFiles.roles,
      steps: [
        {
          that: "a role stays that Clerk never gave",
          events: [updated({ id: "user_old4", version: 1 })],
          query: roleOf("user_old4"),
          rows: [{ role: "admin" }],
        },
        {
          that: "a role that Clerk gives is written",
          events: [updated({ id: "user_old4", version: 2, role: "user" })],
          query: roleOf("user_old4"),
          rows: [{ role: "user" }],
        },
        {
          that: "the next one too",
          events: [updated({ id: "user_old4", version: 3, role: "admin" })],
          query: roleOf("user_old4"),
          rows: [{ role: "admin" }],
        },
        {
          that: "a role that Clerk takes back becomes the default",
          events: [updated({ id: "user_old4", version: 4 })],
          query: roleOf("user_old4"),
          rows: [{ role: "user" }],
        },
        {
          that: "a role that Clerk took back becomes the default also when the event that gave it comes last",
          sql: "insert into users (clerk_id, role) values ('user_late4', 'admin')",
          events: [
            updated({ id: "user_late4", version: 5 }),
            updated({ id: "user_late4", version: 3, role: "editor" }),
          ],
          query: roleOf("user_late4"),
          rows: [{ role: "user" }],
        },
        {
          that: "a user who signs in before the webhook comes has the role that Clerk says",
          signsIn: atClerk({ id: "user_seen4", version: 1, role: "admin" }),
          query: roleOf("user_seen4"),
          rows: [{ role: "admin" }],
        },
      ],
    },
  ],
};

const cycles: TeamCase = {
  name: "a table that is nothing but Clerk's id, which other tables refer to",
  table: "cycles",
  unchanged: accessOf("public.users"),
  parts: [
    {
      file: teamFiles.cycles,
      steps: [
        {
          that: "the app can insert a row that refers to a new user",
          events: [created({ id: "user_c1", version: 1 })],
          query: "insert into cycles select id from users returning user_id",
          rows: [{ user_id: "user_c1" }],
        },
        {
          that: "so it can for a user who signs in before the webhook comes",
          signsIn: atClerk({ id: "user_c2", version: 1 }),
          query: "insert into cycles values ('user_c2') returning user_id",
          rows: [{ user_id: "user_c2" }],
        },
        {
          that: "a user is deleted whom no row refers to any more",
          sql: "delete from cycles",
          events: [updated({ id: "user_c1", version: 2 }), deletedEvent({ id: "user_c1", version: 3 })],
          query: "select id from users",
          rows: [{ id: "user_c2" }],
        },
      ],
    },
  ],
};

const lateFacts = { id: "user_x", version: 1, email: "x@example.com" };

/** The rows with the address that each had before the sync. */
const linked =
  "select u.clerk_id, u.email, b.email as was from users as u left join before as b using (id) order by 1, 3";

const customers: TeamCase = {
  name: "rows from before, which are linked by address",
  table: "customers",
  before: "create table before as select id, email from users;",
  parts: [
    {
      file: teamFiles.customers,
      steps: [
        {
          that: "a row is not linked by an address that Clerk has not verified",
          events: [created({ ...lateFacts, verified: false })],
          query: linked,
          rows: [
            { clerk_id: "user_x", email: null, was: null },
            { clerk_id: null, email: "Old.Customer@Example.com", was: "Old.Customer@Example.com" },
            { clerk_id: null, email: "x@example.com", was: "x@example.com" },
          ],
        },
        {
          that: "it is linked when the address is verified later, and the user has one row",
          events: [updated({ ...lateFacts, version: 2 })],
          query: linked,
          rows: [
            { clerk_id: "user_x", email: "x@example.com", was: "x@example.com" },
            { clerk_id: null, email: "Old.Customer@Example.com", was: "Old.Customer@Example.com" },
          ],
        },
        {
          that: "a row is linked whatever the case of its address, also by the first sign-in",
          signsIn: atClerk({ id: "user_old", version: 1, email: "old.customer@example.com" }),
          query: linked,
          rows: [
            { clerk_id: "user_old", email: "old.customer@example.com", was: "Old.Customer@Example.com" },
            { clerk_id: "user_x", email: "x@example.com", was: "x@example.com" },
          ],
        },
        {
          that: "users relink gives the rows the ids of another instance, and they keep their primary keys",
          relinksTo: [
            atClerk({ id: "live_x", version: 5, email: "x@example.com" }),
            atClerk({ id: "live_old", version: 5, email: "old.customer@example.com" }),
          ],
          query: linked,
          rows: [
            { clerk_id: "live_old", email: "old.customer@example.com", was: "Old.Customer@Example.com" },
            { clerk_id: "live_x", email: "x@example.com", was: "x@example.com" },
          ],
        },
        {
          that: "events of the new instance change those rows, and late ones of the old instance make no others",
          events: [
            updated({ id: "live_x", version: 6, email: "x.new@example.com" }),
            updated({ ...lateFacts, version: 9 }),
          ],
          query: linked,
          rows: [
            { clerk_id: "live_old", email: "old.customer@example.com", was: "Old.Customer@Example.com" },
            { clerk_id: "live_x", email: "x.new@example.com", was: "x@example.com" },
          ],
        },
      ],
    },
  ],
};

const ownRow = "select id, username, avatar_url from public.profiles where id = 'user_own1'";

/** All that the owner made, of which a migration of the sync must leave everything as it is. */
const ownObjects = `
  select pg_get_functiondef(p.oid) as text from pg_proc as p where p.pronamespace = 'app'::regnamespace
  union all
  select pg_get_triggerdef(t.oid) from pg_trigger as t where not t.tgisinternal and t.tgname like 'own_%'
  union all
  select pg_get_viewdef('app.names'::regclass)
  union all
  select format('%s %s', p.policyname, p.qual) from pg_policies as p where p.tablename = 'profiles'
  order by 1`;

const overrides: TeamCase = {
  name: "functions, triggers, policies and thresholds of the owner's",
  table: "profiles",
  before: `
    create schema app;
    create table app.sightings (id text);
    create view app.names as select id, full_name from public.profiles;
    create function app.tidy() returns trigger language plpgsql as $$ begin new.username := lower(new.username); return new; end $$;
    create function app.see() returns trigger language plpgsql as $$ begin insert into app.sightings values (new.id); return null; end $$;
    create trigger own_tidy before insert or update on public.profiles for each row execute function app.tidy();
    create trigger own_see after insert or update on public.profiles for each row execute function app.see();
    create policy "Own profile" on public.profiles for select using (id = (select auth.jwt() ->> 'sub'));
    grant usage on schema app to service_role;
    grant insert on app.sightings to service_role;`,
  unchanged: ownObjects,
  parts: [
    {
      file: { ...teamFiles.profiles, columns: { username: "username", full_name: "name", email: "email" } },
      steps: [
        {
          that: "a trigger of the owner's has the last word on a row",
          events: [created({ id: "user_own1", version: 1 }, { username: "GRACE" })],
          query: ownRow,
          rows: [{ id: "user_own1", username: "grace", avatar_url: null }],
        },
        {
          that: "the owner changes a threshold",
          sql: "update clerk_sync.own_thresholds set drift_degraded = 77, hold_seconds = 0",
          query:
            "select h.drift_degraded, h.users_differ, i.hold_seconds from clerk_sync.health_thresholds as h, clerk_sync.incident_thresholds as i",
          rows: [{ drift_degraded: 77, users_differ: 10, hold_seconds: 0 }],
        },
      ],
    },
    {
      file: teamFiles.profiles,
      steps: [
        {
          that: "after an upgrade the new column is written, and the trigger still has the last word",
          events: [updated({ id: "user_own1", version: 2 }, { username: "HOPPER" })],
          query: ownRow,
          rows: [{ id: "user_own1", username: "hopper", avatar_url: picture }],
        },
        {
          that: "every other trigger saw the user twice",
          query: "select id, count(*)::int as times from app.sightings group by id",
          rows: [{ id: "user_own1", times: 2 }],
        },
        {
          that: "the thresholds are as the owner set them",
          query:
            "select h.drift_degraded, h.users_differ, i.hold_seconds from clerk_sync.health_thresholds as h, clerk_sync.incident_thresholds as i",
          rows: [{ drift_degraded: 77, users_differ: 10, hold_seconds: 0 }],
        },
      ],
    },
  ],
};

export const teamCases: readonly TeamCase[] = [profiles, prisma, drizzle, roles, cycles, overrides, customers];
