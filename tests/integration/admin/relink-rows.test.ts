import type pg from "pg";
import { afterEach, expect, it } from "vitest";
import { parseUser } from "#core/clerk/parse-event.ts";
import { createDatabase } from "#core/database/database.ts";
import { authUserIdOf, createMirrorUser } from "#core/mirror/mirror-user.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { matchRows } from "../../../cli/users/match-rows.ts";
import type { MatchBy } from "../../../cli/users/read-instance.ts";
import { readRelinkable, readRows, relinkUsers } from "../../../cli/users/relink-users.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { deletedEvent, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { createTestDatabase } from "../../support/database/test-database.ts";
import { teamFiles } from "../../support/mapping/configure-users.ts";
import { contractMapping } from "../../support/mapping/contract-mapping.ts";
import {
  createMappedQueue,
  type MappedQueue,
  openMappedQueue,
  readFields,
} from "../../support/mapping/mapped-queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";
import { createFakeAuthAdmin } from "../../support/supabase/fake-auth-admin.ts";

let queue: MappedQueue;
afterEach(() => queue?.drop());

const openContract = async () => {
  queue = openMappedQueue(await createTestDatabase(), contractMapping);
};
const openPrisma = async () => {
  queue = await createMappedQueue(teamTables.prisma, teamFiles.prisma);
};

const query = async (sql: string, values: unknown[] = []) => (await queue.pool.query(sql, values)).rows;
const created = (facts: UserFacts) => userEvent("user.created", facts);
const updated = (facts: UserFacts) => userEvent("user.updated", facts);

/** Does what the command does after it has read an instance with these users. */
async function relink(users: Record<string, string>, { by = "email", client }: RelinkOptions = {}) {
  const own = client ?? (await queue.pool.connect());
  try {
    const mapped = await readRelinkable(own);
    const ids = Object.keys(users);
    const matches = new Map<string, string[]>();
    for (const [id, key] of Object.entries(users)) matches.set(key, [...(matches.get(key) ?? []), id]);
    const matching = matchRows(await readRows(own, mapped, by), { ids: new Set(ids), matches });
    const readAt = new Date();
    return { ...matching, ...(await relinkUsers(own, mapped, { pairs: matching.pairs, by, actor: "ada", readAt })) };
  } finally {
    if (client === undefined && "release" in own && typeof own.release === "function") own.release();
  }
}

type RelinkOptions = { by?: MatchBy; client?: pg.ClientBase };

/** Runs the queue with mirror, and with the users that Clerk has. */
function createWorker(auth: ReturnType<typeof createFakeAuthAdmin>, users: readonly UserFacts[] = []) {
  const database = createDatabase(createCallFunction(queue.pool));
  const readUser = async (clerkId: string) => {
    const facts = users.find(({ id }) => id === clerkId);
    if (facts === undefined) return { deleted: true } as const;
    const { data } = updated(facts);
    return { deleted: false, version: data.updated_at, user: parseUser(data) } as const;
  };
  const rules = { fields: readFields(queue.mapping, true), deleteBrake: null };
  return () =>
    processQueue(
      { database, readUser, mirrorUser: createMirrorUser(auth.auth), now: () => Date.now(), ...rules },
      { budgetMilliseconds: 60_000 },
    );
}

it("a primary key of ours stays, and the column that is written once waits for the new instance", async () => {
  queue = await createMappedQueue(`${teamTables.prisma} alter table "User" add nickname text`, {
    ...teamFiles.prisma,
    columns: { ...teamFiles.prisma.columns, nickname: { from: "username", write: "once" } },
  });
  const nameless = created({ id: "dev_ada", version: 1, email: "ada@example.com" });
  await queue.accept({ ...nameless, data: { ...nameless.data, username: null } });
  const [before] = await queue.rows();
  expect(await relink({ live_ada: "ada@example.com" })).toMatchObject({ relinked: 1, busy: [] });
  const said = created({ id: "live_ada", version: 1, email: "ada@example.com" });
  await queue.readAgain([{ ...said, data: { ...said.data, username: "ada" } }]);
  expect(await queue.rows()).toEqual([
    { ...before, clerkId: "live_ada", nickname: "ada", updatedAt: expect.any(Date) },
  ]);
});

it("the record of the new id knows what the old instance gave, and the old id is one of a deleted user", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 7, email: "ada@example.com", role: "admin", externalId: "1" }));
  await relink({ live_ada: "ada@example.com" });
  expect(
    await query(
      "select clerk_id, version, deleted_at is not null as deleted, external_id, refresh_reason, relinked_to from clerk_sync.known_users order by 1",
    ),
  ).toEqual([
    {
      clerk_id: "dev_ada",
      version: expect.any(String),
      deleted: true,
      external_id: null,
      refresh_reason: null,
      relinked_to: "live_ada",
    },
    {
      clerk_id: "live_ada",
      version: "0",
      deleted: false,
      external_id: "1",
      refresh_reason: "relinked",
      relinked_to: null,
    },
  ]);
  expect(await query("select given from clerk_sync.records where id = 'live_ada'")).toEqual([
    { given: ["public_metadata.role"] },
  ]);
});

it("the second time changes nothing", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  await relink({ live_ada: "ada@example.com" });
  const all = `select jsonb_build_array((select jsonb_agg(u) from users u), (select jsonb_agg(r) from clerk_sync.records r),
    (select jsonb_agg(s) from clerk_sync.user_state s), (select jsonb_agg(a) from clerk_sync.audit a)) as all`;
  const before = await query(all);
  expect(await relink({ live_ada: "ada@example.com" })).toMatchObject({ known: 1, pairs: [], relinked: 0 });
  expect(await query(all)).toEqual(before);
});

it("a late deletion of the old id leaves the row and the user of Supabase Auth", async () => {
  await openContract();
  const auth = createFakeAuthAdmin();
  const live = { id: "live_ada", version: 1, email: "ada@example.com", firstName: "Live" };
  const work = createWorker(auth, [live]);
  await queue.enqueueAs("msg_1", created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  await work();
  expect([...auth.users.keys()]).toEqual([authUserIdOf("dev_ada")]);
  await relink({ live_ada: "ada@example.com" });
  await queue.enqueueAs("msg_2", deletedEvent({ id: "dev_ada", version: 9 }));
  await queue.enqueueAs("msg_3", deletedEvent({ id: "dev_ada", version: 10 }));
  await work();
  await work();
  expect([...auth.users.values()]).toMatchObject([
    { id: authUserIdOf("dev_ada"), email: "ada@example.com", app_metadata: { clerk_id: "live_ada" } },
  ]);
  expect(await query("select clerk_id, name from users")).toEqual([{ clerk_id: "live_ada", name: "Live Lovelace" }]);
  expect((await queue.job("msg_3")).result).toMatchObject({ mirror: { outcome: "skipped", reason: "relinked" } });
});

it("where both ids had a user in Supabase Auth, that of the row stays and the other one is named", async () => {
  await openContract();
  const auth = createFakeAuthAdmin();
  const work = createWorker(auth);
  await queue.enqueueAs("msg_1", created({ id: "dev_ada", version: 1, email: "a@example.com", externalId: "1" }));
  await queue.enqueueAs("msg_2", created({ id: "live_ada", version: 1, email: "b@example.com", externalId: "1" }));
  await work();
  expect(await relink({ live_ada: "1" }, { by: "external_id" })).toMatchObject({ taken: ["dev_ada"], relinked: 0 });
  await query("delete from users where clerk_id = 'live_ada'");
  expect(await relink({ live_ada: "1" }, { by: "external_id" })).toMatchObject({
    relinked: 1,
    left_auth_users: [authUserIdOf("live_ada")],
  });
  expect(await query("select auth_user_id from clerk_sync.user_state where clerk_id = 'live_ada'")).toEqual([
    { auth_user_id: authUserIdOf("dev_ada") },
  ]);
});

it("a worker that asks another instance does not delete the user, and its job waits for the right key", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  await relink({ live_ada: "ada@example.com" });
  await createWorker(createFakeAuthAdmin())();
  expect(await query("select clerk_id from users")).toEqual([{ clerk_id: "live_ada" }]);
  const jobs = "select status, split_part(error, ':', 1) as code from job_queue where clerk_id = 'live_ada'";
  expect(await query(jobs)).toEqual([{ status: "DEAD", code: "clerk_other_instance" }]);
  await query('select clerk_sync_retry_matching_jobs(\'{"status": "DEAD"}\', 10)');
  const live = { id: "live_ada", version: 1, email: "ada@example.com", firstName: "Live" };
  await createWorker(createFakeAuthAdmin(), [live])();
  expect(await query("select name from users")).toEqual([{ name: "Live Lovelace" }]);
});

it("the statements for foreign keys hold whatever the search path is, and change only how they follow", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  await query(`
    create schema app;
    create table app.notes (owner text references users (clerk_id) on delete set null deferrable initially deferred);
    create table "Team member" (who text, constraint "who fk" foreign key (who) references users (clerk_id) match full on update restrict);
    create table follows (who text references users (clerk_id) on update cascade);
    alter table users add invited_by text references users (clerk_id);
    insert into app.notes values ('dev_ada');
    insert into "Team member" values ('dev_ada');
    insert into follows values ('dev_ada');
    update users set invited_by = 'dev_ada';`);
  const refused = await relink({ live_ada: "ada@example.com" }).catch((error: Error) => error);
  const [, ...statements] = "message" in refused ? refused.message.split("\n  ") : [];
  expect(statements.sort()).toEqual([
    "alter table app.notes drop constraint notes_owner_fkey, add constraint notes_owner_fkey FOREIGN KEY (owner) REFERENCES public.users(clerk_id) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;",
    'alter table public."Team member" drop constraint "who fk", add constraint "who fk" FOREIGN KEY (who) REFERENCES public.users(clerk_id) MATCH FULL ON UPDATE CASCADE;',
    "alter table public.users drop constraint users_invited_by_fkey, add constraint users_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES public.users(clerk_id) ON UPDATE CASCADE;",
  ]);
  expect(await query("select clerk_id from users")).toEqual([{ clerk_id: "dev_ada" }]);
  await query(`begin; set local search_path = ''; ${statements.join("\n")} commit`);
  expect(await relink({ live_ada: "ada@example.com" })).toMatchObject({ relinked: 1 });
  expect(
    await query(
      `select n.owner, t.who, f.who as follower, u.invited_by from app.notes n, "Team member" t, follows f, users u`,
    ),
  ).toEqual([{ owner: "live_ada", who: "live_ada", follower: "live_ada", invited_by: "live_ada" }]);
});

it("two rows with one address stay, and so does one whose address Clerk never verified", async () => {
  queue = await createMappedQueue(teamTables.profiles, teamFiles.profiles);
  await queue.accept(
    created({ id: "dev_1", version: 1, email: "both@example.com" }),
    created({ id: "dev_2", version: 1, email: "BOTH@example.com" }),
    created({ id: "dev_3", version: 1, email: "typed@example.com", verified: false }),
  );
  await query("delete from posts");
  const users = { live_1: "both@example.com", live_3: "typed@example.com", live_old: "ada@example.com" };
  await query("alter table posts drop constraint posts_author_fkey");
  expect(await relink(users)).toMatchObject({
    ambiguous: ["dev_1", "dev_2"],
    unverified: ["dev_3"],
    pairs: [{ from: "user_old1", to: "live_old" }], // a row of before, which no event ever touched
    relinked: 1,
  });
});

it("rows of deleted users that are only marked keep their old id", async () => {
  queue = await createMappedQueue(teamTables.drizzle, teamFiles.drizzle);
  await queue.accept(
    created({ id: "dev_gone", version: 1, email: "ada@example.com" }),
    deletedEvent({ id: "dev_gone", version: 2 }),
    created({ id: "dev_ada", version: 3, email: "ada@example.com" }),
    created({ id: "dev_bob", version: 3, email: "bob@example.com" }),
    created({ id: "live_bob", version: 3, email: "other@example.com" }),
    deletedEvent({ id: "live_bob", version: 4 }),
  );
  await queue.run();
  const done = await relink({ live_ada: "ada@example.com", live_bob: "bob@example.com" });
  expect(done).toMatchObject({ relinked: 1, busy: [], taken: ["dev_bob"], ambiguous: [] });
  const rows = await query("select clerk_user_id as id, deleted_at is not null as gone from users order by 1");
  expect(rows).toEqual([
    { id: "dev_bob", gone: false },
    { id: "dev_gone", gone: true },
    { id: "live_ada", gone: false },
    { id: "live_bob", gone: true },
    { id: "user_old3", gone: false },
  ]);
});

it("a text that stands for none is no Clerk id", async () => {
  queue = await createMappedQueue(
    "create table users (id serial primary key, clerk_id text unique default 'none', email text)",
    { key: "clerk_id", columns: { email: "email" } },
  );
  await query("insert into users (email) values ('ada@example.com')");
  expect(await relink({ live_ada: "ada@example.com" })).toMatchObject({ pairs: [], unmatched: [] });
});

it("what was done before an error stays, and the next run continues", async () => {
  await openPrisma();
  await query(
    `insert into "User" ("id", "clerkId", "email", "updatedAt")
     select 'row ' || n, 'dev_' || lpad(n::text, 3, '0'), n || '@example.com', now() from generate_series(1, 302) as n`,
  );
  await query(`alter table "User" add constraint not_yet check ("clerkId" <> 'live_301')`);
  const users = Object.fromEntries(
    Array.from({ length: 302 }, (_, place) => [`live_${place + 1}`, `${place + 1}@example.com`]),
  );
  await expect(relink(users)).rejects.toThrow(
    /^The database refuses a new Clerk id: .*not_yet.*300 rows have their new Clerk id, and stay so/,
  );
  const count = `select count(*)::integer from "User" where "clerkId" like 'live_%'`;
  expect(await query(count)).toEqual([{ count: 300 }]);
  expect(await query("select count(*)::integer from clerk_sync.records where deleted_at is not null")).toEqual([
    { count: 300 },
  ]);
  await query(`alter table "User" drop constraint not_yet`);
  expect(await relink(users)).toMatchObject({ known: 300, relinked: 2 });
  expect(await query(count)).toEqual([{ count: 302 }]);
});

/** Holds the row while relink has the users' locks and wants to write it. */
async function holdRow(id: string) {
  const holder = await queue.pool.connect();
  await holder.query("begin");
  await holder.query("select from users where clerk_id = $1 for update", [id]);
  const client = await queue.pool.connect();
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const pid = rows[0]?.pid;
  return {
    client,
    pid,
    /** Until relink waits for the row. */
    isWaiting: () =>
      expect
        .poll(() => query("select wait_event_type from pg_stat_activity where pid = $1", [pid]))
        .toEqual([{ wait_event_type: "Lock" }]),
    release: async () => {
      await holder.query("rollback");
      holder.release();
    },
  };
}

it("an event of the new id that comes meanwhile is stored, and applied to the row afterwards", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  const [before] = await query("select id from users");
  const held = await holdRow("dev_ada");
  const done = relink({ live_ada: "ada@example.com" }, { client: held.client });
  await held.isWaiting();
  const applied = await queue.accept(
    created({ id: "live_ada", version: 5, email: "ada@example.com", firstName: "Live" }),
    updated({ id: "dev_ada", version: 9, email: "ada@example.com", firstName: "Dev" }),
  );
  expect(applied).toEqual(["no", "no"]);
  await held.release();
  expect(await done).toMatchObject({ relinked: 1, busy: [] });
  held.client.release();
  await queue.run();
  expect(await query("select id, clerk_id, name from users")).toEqual([
    { id: before?.["id"], clerk_id: "live_ada", name: "Live Lovelace" },
  ]);
});

it("an event of the new id that came first has its row, and the old row stays and is named", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  const users = { live_ada: "ada@example.com" };
  const held = await holdRow("dev_ada");
  await held.release();
  const webhook = await queue.pool.connect();
  await webhook.query("begin");
  await webhook.query("select clerk_sync.lock_records('{live_ada}')");
  const done = relink(users, { client: held.client });
  await held.isWaiting();
  await webhook.query("insert into users (clerk_id, name) values ('live_ada', 'Live')");
  await webhook.query("commit");
  webhook.release();
  expect(await done).toMatchObject({ relinked: 0, busy: ["dev_ada"] });
  held.client.release();
  expect(await relink(users)).toMatchObject({ relinked: 0, taken: ["dev_ada"] });
  await query("delete from users where clerk_id = 'live_ada'");
  expect(await relink(users)).toMatchObject({ relinked: 1 });
});

it("when the connection breaks in the middle, nothing of that transaction stays", async () => {
  await openContract();
  await queue.accept(created({ id: "dev_ada", version: 1, email: "ada@example.com" }));
  await queue.enqueueAs("msg_waits", updated({ id: "dev_ada", version: 2, email: "ada@example.com" }));
  const held = await holdRow("dev_ada");
  const broken = relink({ live_ada: "ada@example.com" }, { client: held.client }).catch((error: unknown) => error);
  await held.isWaiting();
  await query("select pg_terminate_backend($1)", [held.pid]);
  expect(await broken).toBeInstanceOf(Error);
  held.client.release(true);
  await held.release();
  expect(await query("select clerk_id from users")).toEqual([{ clerk_id: "dev_ada" }]);
  expect(await query("select id from clerk_sync.records")).toEqual([{ id: "dev_ada" }]);
  expect((await queue.job("msg_waits")).status).toBe("PENDING");
  expect(await relink({ live_ada: "ada@example.com" })).toMatchObject({ relinked: 1 });
});
