import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDatabase } from "#core/database/database.ts";
import { authSchema } from "../../../local/open-local-database.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { applyPrelude, migrate } from "../../../server/migrate.ts";
import { withConnection } from "../../../server/with-connection.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { hasDebianExtension, startDebianPostgres } from "../../support/database/debian-postgres.ts";
import { createQueue, toJob } from "../../support/database/queue.ts";
import { makeUsersTable, openPool } from "../../support/database/test-database.ts";

/** Settings that forbid a kind of plan; where there is no other kind it stays, with a cost that makes PostgreSQL compile it. */
const compiling = `
  select p.oid::regprocedure::text as function
  from pg_catalog.pg_proc as p
  where exists (select 1 from unnest(p.proconfig) as c(setting) where c.setting ~ '^(enable_|plan_cache_mode|random_page_cost|seq_page_cost|cpu_)')
    and not 'jit=off' = any (p.proconfig)`;

it("no function has settings of the planner and lets PostgreSQL compile its queries", async () => {
  const queue = await createQueue();
  expect((await queue.pool.query(compiling)).rows).toEqual([]);
  await queue.pool.query("create function public.extra() returns int language sql set enable_sort = off as 'select 1'");
  expect((await queue.pool.query(compiling)).rows).toEqual([{ function: "extra()" }]);
  await queue.drop();
});

type Session = {
  database: ReturnType<typeof createDatabase>;
  call: ReturnType<typeof createCallFunction>;
  pool: pg.Pool;
};

const rules = { canRead: true, deleteBrake: null } as const;
const hasDebian = await hasDebianExtension("plpgsql", "postgresql-15");

// Debian's PostgreSQL compiles queries that cost much (JIT), as Supabase's does; the one of npm cannot.
describe.skipIf(!hasDebian)("on a PostgreSQL that compiles queries", () => {
  let postgres: Awaited<ReturnType<typeof startDebianPostgres>>;
  let sessions: { compiling: Session; plain: Session };
  let serial = 0;
  const openSession = (options: string): Session => {
    const pool = openPool(postgres.url, { max: 1, options });
    const call = createCallFunction(pool);
    return { database: createDatabase(call), call, pool };
  };
  beforeAll(async () => {
    postgres = await startDebianPostgres();
    await withConnection(postgres.url, async (client) => {
      await applyPrelude(client, authSchema);
      await makeUsersTable(client);
      await migrate(client);
    });
    sessions = { compiling: openSession(""), plain: openSession("-c jit=off") };
    for (let place = 0; place < 200; place++) await sessions.plain.database.enqueue([created()], 15);
    await drain(sessions.plain);
  });
  afterAll(async () => {
    for (const session of Object.values(sessions ?? {})) await session.pool.end();
    await postgres?.stop();
  });

  const created = () => {
    serial++;
    return toJob(userEvent("user.created", { id: `user_${serial}`, version: 1 }), `msg_${serial}`);
  };
  const updated = (id: string) => toJob(userEvent("user.updated", { id, version: 1 + ++serial }), `msg_${serial}`);
  const ten = Array.from({ length: 10 }, (_, place) => place);

  async function drain({ database }: Session): Promise<void> {
    for (;;) {
      const batch = await database.runJobs({ limit: 50, leaseSeconds: 60, ...rules });
      if (batch.jobs.length === 0 && batch.reads.length === 0) return;
      const gone = batch.reads.map(({ job_id }) => ({ job_id, deleted: true }));
      const applied = gone.length === 0 ? { mirror: [] } : await database.applyReads(batch.token, gone, true, rules);
      const outcomes = [...batch.mirror, ...applied.mirror].map(
        ({ job_id }) => ({ job_id, outcome: "completed", auth_user_id: crypto.randomUUID() }) as const,
      );
      if (outcomes.length > 0) await database.settleJobs(batch.token, outcomes);
    }
  }

  const hot: [string, (session: Session) => Promise<unknown>][] = [
    [
      "the webhook's call",
      ({ call }) => call("clerk_sync_accept", { p_jobs: [created(), updated("user_1")], p_mirrors: true }),
    ],
    [
      "a worker's round",
      async (session) => {
        await session.database.enqueue([...ten.map(created), ...ten.map((place) => updated(`user_${place + 1}`))], 15);
        await drain(session);
      },
    ],
    ["a poll that finds nothing", drain],
    [
      "a refresh",
      async (session) => {
        await session.database.requestRefresh([`user_${++serial % 100}`], "test");
        await drain(session);
      },
    ],
    ["a look at the own row", ({ database }) => database.ownRow("user_3")],
    [
      "a call for the own row",
      ({ database }) => {
        const clerkId = `user_made_${++serial}`;
        const payload = { clerk_id: clerkId, email: `${clerkId}@example.com`, email_verified: true, user_role: "user" };
        return database.ensureUser({
          clerkId,
          version: 1,
          payload,
          readAt: new Date(0).toISOString(),
          maxAttempts: 15,
        });
      },
    ],
    [
      "a compare of users",
      ({ call }) =>
        call("clerk_sync_compare_users", {
          p_users: ten.map((place) => ({ clerk_id: `user_${place}`, version: 1, email: "somebody@example.com" })),
        }),
    ],
    [
      "a compare of Auth users whom nobody here knows",
      ({ call }) =>
        call("clerk_sync_compare_auth_users", {
          p_users: ten.map((place) => ({
            id: crypto.randomUUID(),
            owner: `user_no_${place}`,
            clerk_id: `user_no_${place}`,
          })),
          p_read_at: new Date().toISOString(),
        }),
    ],
    ["a look at health", ({ call }) => call("clerk_sync_health", {})],
    ["rolling up metrics", ({ pool }) => pool.query("select clerk_sync.roll_up(now() + interval '1 minute')")],
    [
      "rescue and purge",
      async ({ database }) => {
        await database.rescueJobs();
        await database.purgeJobs(30, 1000);
      },
    ],
    ["the audit of jobs", ({ call }) => call("clerk_sync_audit_jobs", {})],
    ["the page's overview", ({ call }) => call("clerk_sync_admin_overview", {})],
    ["the page's users", ({ call }) => call("clerk_sync_admin_users", { p_q: "user_7" })],
  ];

  const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const median = (numbers: number[]) =>
    numbers.sort((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0;

  it("a plan whose kind is forbidden is compiled there", async () => {
    const { rows } = await sessions.compiling.pool
      .query("set enable_seqscan = off; explain analyze select count(*) from public.users where name = 'nobody'")
      .then((results: unknown) => (results as pg.QueryResult[])[1] ?? { rows: [] });
    expect(rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain("JIT:");
    await sessions.compiling.pool.query("reset enable_seqscan");
  });

  // Compiling takes a hundred times as long as these calls do, so a busy machine does not blur it.
  it.each(hot)("%s takes no longer than with jit off", async (title, work) => {
    const times: { compiling: number[]; plain: number[] } = { compiling: [], plain: [] };
    for (let round = 0; round < 7; round++) {
      for (const kind of ["plain", "compiling"] as const)
        times[kind].push(await milliseconds(() => work(sessions[kind])));
    }
    const [compiled, plain] = [median(times.compiling), median(times.plain)];
    console.log(`${title}: ${compiled.toFixed(1)} ms, with jit off ${plain.toFixed(1)} ms`);
    expect(compiled / Math.max(plain, 5)).toBeLessThan(5);
  });
});
