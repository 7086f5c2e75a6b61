import { afterEach, beforeEach, expect, it } from "vitest";
import { type ClerkStandIn, startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { makeUsers } from "../../support/clerk/make-users.ts";
import { spawnCli } from "../../support/processes/cli-process.ts";
import { cliFor } from "../../support/processes/run-cli.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";

/** BACKFILL_USERS=100000 for the size this is made for; the fewer the sooner. */
const many = Number(process.env["BACKFILL_USERS"] ?? 20_000);

let clerk: ClerkStandIn;
let server: TestServer;
beforeEach(async () => {
  clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in", rate: { requests: 1000, seconds: 10 } });
  server = await startTestServer({ AUTH_MIRROR: "off" });
});
afterEach(async () => {
  await server?.stop();
  await clerk?.stop();
});

function spawnBackfill() {
  const { options, environment } = cliFor(server.settings, clerk);
  return spawnCli(["backfill", "--json", ...options], environment);
}

async function backfill() {
  const { exitCode, stdout, stderr } = await spawnBackfill().ended;
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${stdout} ${stderr}`);
  return { summary: JSON.parse(stdout), ...(JSON.parse(stderr) as { peakMegabytes: number }) };
}

/** Users of the backfill that is killed, and at which page of each process; BACKFILL_KILLS=120,40,20. */
const killed = Number(process.env["BACKFILL_USERS"] ?? 6000);
const kills = (process.env["BACKFILL_KILLS"] ?? "5,4").split(",").map(Number);

it("killed twice on the way, a backfill goes on where it was, and no user is queued twice", async () => {
  clerk.users.fill(makeUsers(killed));
  const start = Date.now();
  for (const page of kills) {
    const child = spawnBackfill();
    let pages = 0;
    clerk.beforeAnswer((request) => {
      if (request === "GET /v1/users" && ++pages === page) child.process.kill("SIGKILL");
    });
    expect(await child.ended).toMatchObject({ exitCode: null });
    clerk.beforeAnswer(() => undefined);
    expect((await spawnBackfill().ended).stdout).toContain('"code":"run_active"'); // it may be alive, for all we know
    await server.one("update clerk_sync.sync_runs set lease_until = now()"); // a minute later
  }
  const run = await server.one("select id, (counts ->> 'read')::int as read from clerk_sync.sync_runs");
  expect(run?.["read"]).toBeGreaterThanOrEqual(2000);
  const { summary, peakMegabytes } = await backfill();
  console.log(
    `${killed} users, killed ${kills.length} times, the last time after ${run?.["read"]}: ${clerk.requests.length} requests, ` +
      `${(Date.now() - start) / 1000} s in all, peak memory of the last process ${peakMegabytes} MB`,
  );
  expect(summary).toMatchObject({
    run: run?.["id"],
    usersAtClerk: killed,
    usersHere: killed,
    counts: { read: killed },
  });
  expect(
    await server.one(
      "select count(*)::int as jobs, count(distinct clerk_id)::int as users from job_queue where source = 'backfill'",
    ),
  ).toEqual({ jobs: killed, users: killed });
});

it(`${many} users are brought in from nothing, within Clerk's rate, in the memory that a fifth of them take`, async () => {
  clerk.users.fill(makeUsers(many / 5));
  const small = await backfill();
  clerk.users.fill(makeUsers(many));
  await server.pool.query("truncate users, clerk_sync.records, clerk_sync.user_state, job_queue");
  const asked = clerk.requests.length;
  const large = await backfill();
  const { seconds, readSeconds, requests, usersPerSecond } = large.summary;
  console.log(
    `${many} users: read in ${readSeconds} s (${usersPerSecond}/s, ${requests} requests), all here after ${seconds} s; ` +
      `peak memory ${small.peakMegabytes} MB for ${many / 5}, ${large.peakMegabytes} MB for ${many}: ` +
      `ratio ${(large.peakMegabytes / small.peakMegabytes).toFixed(2)}`,
  );
  expect(await server.one("select count(*)::int as n from users")).toEqual({ n: many });
  expect(clerk.requests.length - asked).toBe(many / 500 + 4); // two counts; the end, seen in two ways
  expect(large.peakMegabytes / small.peakMegabytes).toBeLessThan(1.3);
});
