import { afterEach, beforeEach, expect, it } from "vitest";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { configureUsers } from "../../support/mapping/configure-users.ts";
import { applyMapping } from "../../support/mapping/contract-mapping.ts";
import { runCli } from "../../support/processes/run-cli.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let system: ClerkAndServer;
let rows: Record<string, unknown>[];
/** Three people of a development instance; a production instance knows two of them by other ids. */
beforeEach(async () => {
  system = await startClerkAndServer({ CLERK_SECRET_KEY: "sk_live_stand_in" });
  const { server, clerk } = system;
  await server.pool.query("create table posts (author uuid not null references users (id))");
  for (const name of ["ada", "bob", "eve"]) {
    const facts = {
      id: `dev_${name}`,
      version: 1,
      email: `${name}@example.com`,
      externalId: `ext_${name}`,
      role: "admin",
    };
    await postEvent(server.settings, userEvent("user.created", facts));
  }
  await server.quiet();
  rows = (await server.pool.query("select id, clerk_id from users order by clerk_id")).rows;
  await server.pool.query("insert into posts select id from users");
  for (const [name, email] of [
    ["ada", "ADA@example.com"],
    ["bob", "bob@example.com"],
    ["new", "new@example.com"],
  ]) {
    const facts = { id: `live_${name}`, version: 5, email: email ?? "", externalId: `dev_${name}`, firstName: "Live" };
    clerk.users.set(`live_${name}`, userEvent("user.created", facts).data);
  }
});
afterEach(() => system?.stop());

const relink = (args: string[] = ["--yes"], changes = {}) => {
  const { environment } = system.cli;
  return runCli(
    ["users", "relink", ...args],
    { ...environment, DATABASE_URL: system.server.settings.databaseUrl },
    changes,
  );
};
const query = async (sql: string) => (await system.server.pool.query(sql)).rows;
const idOf = (clerkId: string) => rows.find((row) => row["clerk_id"] === clerkId)?.["id"];
const ids = () => query("select id, clerk_id from users order by clerk_id");

it("gives the rows of the same people the ids of the other instance, and keeps their primary keys", async () => {
  const done = await relink();
  expect(done.stderr).toBe("");
  expect([done.exitCode, done.stdout.split("\n")]).toEqual([
    1,
    [
      "0 rows have a Clerk id of this instance.",
      "2 rows match a user of this instance by verified address, and get a new Clerk id.",
      "1 stay as they are: no user of this instance has the verified address: dev_eve",
      "2 rows have their new Clerk id, and their users are read again from Clerk.",
    ],
  ]);
  expect(await ids()).toEqual([
    { id: idOf("dev_eve"), clerk_id: "dev_eve" },
    { id: idOf("dev_ada"), clerk_id: "live_ada" },
    { id: idOf("dev_bob"), clerk_id: "live_bob" },
  ]);
  expect(await query("select count(*)::integer from posts join users on users.id = posts.author")).toEqual([
    { count: 3 },
  ]);
  expect(await query("select source, count, detail from clerk_sync.audit where code = 'relink_users'")).toEqual([
    { source: expect.stringMatching(/^cli ./), count: 2, detail: { by: "email" } },
  ]);
});

it("reads the users again, so that the row is what the new instance says: a role it does not give is withdrawn", async () => {
  expect(await query("select distinct role from users")).toEqual([{ role: "admin" }]);
  await relink();
  await expect
    .poll(() => query("select name, email, role from users where clerk_id = 'live_ada'"))
    .toEqual([{ name: "Live Lovelace", email: "ADA@example.com", role: "user" }]);
});

it("a late event of the old instance makes no row, and no deletion takes the row", async () => {
  await relink();
  await postEvent(
    system.server.settings,
    userEvent("user.updated", { id: "dev_ada", version: 9, email: "ada@example.com" }),
  );
  await postEvent(system.server.settings, {
    type: "user.deleted",
    object: "event",
    data: { id: "dev_bob", object: "user", deleted: true },
  });
  await system.server.quiet();
  expect((await ids()).map(({ clerk_id }) => clerk_id)).toEqual(["dev_eve", "live_ada", "live_bob"]);
});

it("the mirror in Supabase Auth goes with the row, and is written again", async () => {
  const mirror = "00000000-0000-4000-8000-00000000000a";
  await system.server.pool.query(
    `insert into clerk_sync.user_state as s (clerk_id, auth_user_id, mirrored_version) values ('dev_ada', $1, 1)
     on conflict (clerk_id) do update set auth_user_id = excluded.auth_user_id, mirrored_version = 1`,
    [mirror],
  );
  await relink();
  const state =
    "select clerk_id, auth_user_id, mirrored_version from clerk_sync.user_state where auth_user_id is not null";
  expect(await query(state)).toEqual([{ clerk_id: "live_ada", auth_user_id: mirror, mirrored_version: null }]);
});

it("matches by external id, which may be the old Clerk id", async () => {
  await system.server.pool.query("update users set email = null");
  expect((await relink()).stdout).toContain("3 stay as they are: no user");
  const done = await relink(["--by", "external_id", "--yes", "--json"]);
  expect(JSON.parse(done.stdout)).toEqual({
    by: "external_id",
    known: 0,
    pairs: [
      { from: "dev_ada", to: "live_ada" },
      { from: "dev_bob", to: "live_bob" },
    ],
    ambiguous: [],
    unmatched: ["dev_eve"],
    taken: [],
    unverified: [],
    relinked: 2,
    busy: [],
    left_auth_users: [],
  });
});

it("changes nothing with --dry-run, nor when the answer is no", async () => {
  const dry = await relink(["--dry-run"]);
  expect([dry.exitCode, dry.stdout.split("\n").at(-1)]).toEqual([1, "Nothing was changed. Without --dry-run it is."]);
  const asked: string[] = [];
  const no = await relink([], { confirm: async (question: string) => asked.push(question) < 0 });
  expect([no.exitCode, no.stdout.split("\n").at(-1), asked]).toEqual([
    1,
    "Nothing was changed.",
    ["Give 2 rows their new Clerk ids?"],
  ]);
  expect(await ids()).toEqual(rows);
});

it("leaves a row alone while a worker has its user, and cancels what waits of the old id", async () => {
  const { pool } = system.server;
  await pool.query(
    `insert into job_queue (job_type, clerk_id, status, lease_token, lease_until, run_at)
     values ('USER_UPDATED', 'dev_ada', 'PROCESSING', gen_random_uuid(), now() + interval '1 hour', now()),
            ('USER_DELETED', 'dev_bob', 'DEAD', null, null, now())`,
  );
  const done = await relink();
  expect(done.stdout).toContain(
    "1 stay for now: a worker has a job of the user, or the user changed meanwhile. Run this again: dev_ada",
  );
  expect((await ids()).map(({ clerk_id }) => clerk_id)).toEqual(["dev_ada", "dev_eve", "live_bob"]);
  expect(await query("select status from job_queue where clerk_id = 'dev_bob' and job_type = 'USER_DELETED'")).toEqual([
    { status: "CANCELLED" },
  ]);
});

it("a user who came to the new instance first keeps the new row, and the old one is named", async () => {
  await postEvent(
    system.server.settings,
    userEvent("user.created", { id: "live_ada", version: 6, email: "ada@example.com" }),
  );
  await system.server.quiet();
  const done = await relink();
  expect(done.stdout).toContain("1 stay as they are: the user there has a row here already");
  expect(done.stdout).toContain(": dev_ada");
  expect((await ids()).map(({ clerk_id }) => clerk_id)).toEqual(["dev_ada", "dev_eve", "live_ada", "live_bob"]);
});

it("stops where a foreign key would not follow, and its statements are the remedy", async () => {
  await system.server.pool.query("create table notes (owner text references users (clerk_id) on delete cascade)");
  await system.server.pool.query("insert into notes values ('dev_ada')");
  const refused = await relink();
  expect([refused.exitCode, refused.stderr]).toEqual([
    1,
    expect.stringContaining(
      "Foreign keys on clerk_id of public.users do not follow a new Clerk id. Nothing was changed.",
    ),
  ]);
  expect(await ids()).toEqual(rows);
  await system.server.pool.query(refused.stderr.split("\n").slice(1).join("\n"));
  await relink();
  expect(await query("select owner from notes")).toEqual([{ owner: "live_ada" }]);
});

it("changes a Clerk id that is the primary key, once the foreign keys on it follow", async () => {
  const { pool } = system.server;
  await pool.query(`
    create table profiles (id text primary key, email text);
    create table articles (author text not null references profiles (id));
    insert into profiles values ('user_old', 'bob@example.com');
    insert into articles values ('user_old');`);
  const client = await pool.connect();
  const file = configureUsers({ table: "profiles", key: "id", columns: { email: "email" } });
  const facts = await readTable(client, { schema: "public", name: "profiles" });
  client.release();
  await applyMapping(pool, resolveMapping(file, { users: facts }));
  const refused = await relink();
  expect(refused.stderr.split("\n").slice(1)).toEqual([
    "  alter table public.articles drop constraint articles_author_fkey, add constraint articles_author_fkey FOREIGN KEY (author) REFERENCES public.profiles(id) ON UPDATE CASCADE;",
  ]);
  await pool.query(refused.stderr.split("\n").slice(1).join("\n"));
  expect(await relink()).toMatchObject({ exitCode: 0 });
  expect(await query("select author from articles")).toEqual([{ author: "live_bob" }]);
});

it("says which key is missing", async () => {
  const done = await runCli(["users", "relink"], { DATABASE_URL: system.server.settings.databaseUrl });
  expect([done.exitCode, done.stderr]).toEqual([
    1,
    "error config_invalid: CLERK_SECRET_KEY is not set here: Clerk's dashboard shows it under API keys of the new instance, sk_live_… or sk_test_….",
  ]);
});
