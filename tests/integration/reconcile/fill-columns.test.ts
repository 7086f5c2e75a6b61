import { afterEach, beforeEach, expect, it } from "vitest";
import { readConfig } from "#core/config/config.ts";
import { createSlices } from "#core/reconcile/create-slices.ts";
import { walkSlice } from "#core/reconcile/walk-run.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { clerkIdOf } from "../../support/clerk/make-users.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { applyMapping, contractMapping, mapMore } from "../../support/mapping/contract-mapping.ts";

let system: ClerkAndServer;
/** Three users came before the mapping knew their pictures and plans; user 1 edited the name here. */
beforeEach(async () => {
  system = await startClerkAndServer();
  await system.createUsers(3);
  for (const user of system.clerk.users.values()) {
    Object.assign(user, { image_url: `https://img.example.com/${user.id}`, public_metadata: { plan: "pro" } });
  }
  await system.server.pool.query("alter table users add column image_url text, add column plan text");
  await applyMapping(system.server.pool, mapMore({ image_url: "image_url", plan: "public_metadata.plan" }));
  await system.server.pool.query("update users set name = 'Own Name' where clerk_id = $1", [clerkIdOf(1)]);
});
afterEach(() => system?.stop());

const backfill = (...args: string[]) => system.cli.run("backfill", ...args);
const rows = async () =>
  (await system.server.pool.query("select clerk_id, name, image_url, plan from users order by clerk_id")).rows;
const rowOf = (place: number, changes: Record<string, unknown> = {}) => ({
  clerk_id: clerkIdOf(place),
  name: "Ada Lovelace",
  image_url: `https://img.example.com/${clerkIdOf(place)}`,
  plan: null,
  ...changes,
});

it("fills the columns that are named, and nothing else of a row", async () => {
  const done = await backfill("--columns", "image_url");
  expect([done.exitCode, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toContain('  3 queued for "image_url"; 0 have what Clerk says already');
  expect(await rows()).toEqual([rowOf(0), rowOf(1, { name: "Own Name" }), rowOf(2)]);
  const { rows: jobs } = await system.server.pool.query("select payload from job_queue where source = 'backfill'");
  expect(jobs.map(({ payload }) => Object.keys(payload).sort())).toEqual(
    Array(3).fill(["absent", "clerk_id", "image_url", "retry_count"]),
  );
  expect((await backfill("--columns", "image_url")).stdout).toContain('0 queued for "image_url"; 3 have what');
});

it("keeps what the sync knows besides: the withheld address, the pending read, and that nothing is absent", async () => {
  const [id, pool] = [clerkIdOf(0), system.server.pool];
  await pool.query(
    `insert into clerk_sync.user_state as s (clerk_id, email_verified, withheld_email, banned) values ($1, true, 'w@example.com', true)
     on conflict (clerk_id) do update set withheld_email = excluded.withheld_email, banned = true`,
    [id],
  );
  await pool.query("update clerk_sync.records set refresh_reason = 'email_held' where id = $1", [id]);
  expect(await backfill("--columns", "plan,image_url")).toMatchObject({ exitCode: 0 });
  expect((await rows())[0]).toEqual(rowOf(0, { plan: "pro" }));
  const { rows: known } = await pool.query("select * from clerk_sync.known_users where clerk_id = $1", [id]);
  expect(known[0]).toMatchObject({
    withheld_email: "w@example.com",
    banned: true,
    refresh_reason: "email_held",
    absent: null,
  });
});

it("brings in whole who is missing or whose newest change was lost", async () => {
  await system.change(2, { version: 9, lastName: "Newer" }, true);
  await system.change(3, { version: 3 }, true);
  for (const place of [2, 3]) {
    const user = system.clerk.users.get(clerkIdOf(place));
    Object.assign(user ?? {}, { image_url: `https://img.example.com/${clerkIdOf(place)}` });
  }
  expect(await backfill("--columns", "plan")).toMatchObject({ exitCode: 0 });
  expect(await rows()).toMatchObject([
    { plan: "pro", image_url: null },
    { plan: "pro", name: "Own Name" },
    { clerk_id: clerkIdOf(2), name: "Ada Newer" },
    { clerk_id: clerkIdOf(3), name: "Ada Lovelace" },
  ]);
});

it("does not set back a row that became newer after it was read", async () => {
  const [id, pool] = [clerkIdOf(0), system.server.pool];
  await pool.query("update clerk_sync.records set version = version + 1, last_synced_at = now() where id = $1", [id]);
  await backfill("--columns", "image_url");
  expect((await rows())[0]).toEqual(rowOf(0, { image_url: null }));
});

it("is carried on by the processor, which knows the columns from the run", async () => {
  const { pool } = system.server;
  const taken = await pool.query(`select clerk_sync_take_run('backfill', p_columns => '{image_url}') as taken`);
  const { run, token } = taken.rows[0].taken;
  await pool.query("select clerk_sync_end_run($1, $2, 'RUNNING')", [run.id, token]);
  const config = readConfig({ CLERK_SECRET_KEY: system.clerk.secretKey, CLERK_API_URL: system.clerk.url });
  const slices = createSlices({ ...config, authMirror: false }, createCallFunction(pool), rootFields);
  if (slices === null) throw new Error("there is a key");
  const slice = () => walkSlice(slices, { kind: null, applies: true, budgetMilliseconds: 10_000 });
  expect(await slice()).toMatchObject({ state: "waiting" });
  await system.server.quiet();
  expect(await slice()).toMatchObject({ state: "done", run: { columns: ["image_url"] } });
  expect(await rows()).toEqual([rowOf(0), rowOf(1, { name: "Own Name" }), rowOf(2)]);
});

it("is another run than one of other columns, and than a whole one", async () => {
  const { pool } = system.server;
  const take = async (columns: string | null) => {
    const { rows: found } = await pool.query("select clerk_sync_take_run('backfill', p_columns => $1) as taken", [
      columns,
    ]);
    const { outcome, run, token } = found[0].taken;
    if (token) await pool.query("select clerk_sync_end_run($1, $2, 'RUNNING')", [run.id, token]);
    return outcome;
  };
  expect([await take("{image_url}"), await take("{plan}"), await take(null), await take("{image_url}")]).toEqual([
    "started",
    "busy",
    "busy",
    "resumed",
  ]);
  expect((await backfill()).stderr).toContain("A backfill of the columns image_url that started at");
});

it.each([
  ["imageUrl", "imageUrl is not mapped; did you mean image_url?"],
  ["image_url,createdAt", "createdAt is written only when a row is made, so that a row that is there keeps its own."],
  ["updatedAt", "updatedAt holds the time of each write, and there is nothing to fill."],
  ["shoe_size", "shoe_size is not mapped. Columns that can be filled: email, image_url, name, plan, role."],
  ["image_url,,plan", "--columns must be names of columns, separated by commas."],
])("refuses the columns %s", async (columns, message) => {
  expect(await backfill("--columns", columns)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
});

it("names the column in a dead letter when it does not take a value", async () => {
  await system.server.pool.query("alter table users add column badge varchar(10)");
  const { users } = mapMore({ badge: "image_url" });
  const columns = users.columns.map((column) =>
    column.name === "badge"
      ? { ...column, type: { kind: "varchar", length: 10 } as const, sqlType: "varchar(10)" }
      : column,
  );
  await applyMapping(system.server.pool, { ...contractMapping, users: { ...users, columns } });
  expect(await backfill("--columns", "badge")).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining("3 dead letters"),
  });
  const { rows: jobs } = await system.server.pool.query("select error from job_queue where status = 'DEAD'");
  expect(jobs[0].error).toContain("column badge does not take what Clerk has");
});

it("--dry-run names who would lose a role, and changes nothing", async () => {
  const pool = system.server.pool;
  const makeAdmin = "update users set role = 'admin' where clerk_id = $1";
  await system.change(0, { version: 20, role: "user" });
  for (const place of [0, 2]) await pool.query(makeAdmin, [clerkIdOf(place)]);
  const { exitCode, stdout } = await backfill("--dry-run");
  expect(exitCode).toBe(1);
  expect(stdout).toContain(`  ${clerkIdOf(0)} differs: role`);
  expect(stdout).not.toMatch(new RegExp(`${clerkIdOf(2)} .*role`)); // Clerk never gave that user a role
  const { rows: roles } = await pool.query("select role from users order by clerk_id");
  expect(roles.map(({ role }) => role)).toEqual(["admin", "user", "admin"]);
  expect((await backfill("--dry-run", "--columns", "plan")).stderr).toContain("leave --columns out");
});
