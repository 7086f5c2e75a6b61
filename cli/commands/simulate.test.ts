import { tmpdir } from "node:os";
import { afterEach, expect, test } from "vitest";
import {
  createTestClock,
  type StandIn,
  type StandInOptions,
  standInKey,
  standInSecret,
  startStandIn,
} from "../../tests/support/webhook/webhook-stand-in.ts";
import { main } from "../main.ts";

let standIn: StandIn | undefined;

afterEach(async () => {
  await standIn?.stop();
  standIn = undefined;
});

type Run = { exitCode: number; stdout: string[]; stderr: string[]; slept: number[] };

async function start(options?: StandInOptions): Promise<StandIn> {
  standIn = await startStandIn(options);
  return standIn;
}

async function run(...args: string[]): Promise<Run> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const clock = createTestClock();
  const exitCode = await main(["simulate", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    folder: tmpdir(),
    drawSeed: () => 99,
    clock,
  });
  return { exitCode, stdout, stderr, slept: clock.slept };
}

function target(server: StandIn, key = standInKey): string[] {
  return ["--url", server.url, "--secret", standInSecret, "--secret-key", key];
}

function readSummary({ stdout }: Run): Record<string, unknown> {
  expect(stdout).toHaveLength(1);
  return JSON.parse(stdout[0] ?? "");
}

test("1,000 events in any order with repeats leave every user in step", async () => {
  const server = await start();
  const done = await run(...target(server), "--count", "1000", "--shuffle", "--duplicate", "--json");
  expect(readSummary(done)).toMatchObject({
    seed: 99,
    events: 1000,
    deliveries: 1100,
    users: 333,
    accepted: 1000,
    rejected: 0,
    statuses: { 200: 100, 202: 1000 },
    duplicates: 100,
    inStep: 333,
    outOfStep: 0,
    checked: 333,
    differences: [],
  });
  expect(done.exitCode).toBe(0);
  expect(done.stderr).toEqual([]);
});

test("repeated deliveries have the id and the bytes of the first", async () => {
  const server = await start();
  await run(...target(server), "--count", "200", "--duplicate");
  const bodies = new Map(server.deliveries.map(({ id, body }) => [id, body]));
  expect(server.deliveries).toHaveLength(220);
  expect(bodies.size).toBe(200);
  for (const { id, body } of server.deliveries) expect(body).toBe(bodies.get(id));
});

test("the same seed sends the same events in the same order", async () => {
  const args = ["--count", "60", "--shuffle", "--duplicate", "--seed", "5", "--concurrency", "1"];
  const first = await start();
  await run(...target(first), ...args);
  await first.stop();
  const second = await start();
  await run(...target(second), ...args);
  expect(second.deliveries).toEqual(first.deliveries);
  expect(second.deliveries).toHaveLength(66);
});

test("the summary for a person names the seed and ends with the sum", async () => {
  const done = await run(...target(await start()), "--count", "30", "--users", "10", "--seed", "5");
  expect(done.stdout[0]).toMatch(/^Seed 5: 30 events of 10 users, to http/);
  expect(done.stdout).toContain("Posted: 30 of 30");
  expect(done.stdout.at(-1)).toBe("30 events: 30 accepted, 0 rejected. 10 of 10 users in step.");
});

test("a delivery that fails is sent again with the same id, signed anew, after the time it was asked to wait", async () => {
  const fault: StandInOptions["fault"] = (_, earlier) =>
    earlier === 0 ? { status: 503, headers: { "retry-after": "2" } } : null;
  const server = await start({ fault });
  const done = await run(...target(server), "--count", "2", "--users", "1", "--concurrency", "1");
  expect(done.exitCode).toBe(0);
  // The first delivery of a run is tried alone and at once; the second waits the 2 s of Retry-After.
  const [, , before, after] = server.deliveries;
  expect(after?.id).toBe(before?.id);
  expect((after?.timestamp ?? 0) - (before?.timestamp ?? 0)).toBe(2);
  expect(done.slept).toEqual([2000]);
});

test("pauses double from 0.2 s, Retry-After is cut at 5 s, and after five attempts an event is rejected", async () => {
  const unlucky: { id?: string } = {};
  const fault: StandInOptions["fault"] = ({ id }) => {
    if (server.deliveries.length === 1) return null;
    unlucky.id ??= id;
    if (id !== unlucky.id) return null;
    return {
      status: 429,
      body: "slow",
      ...(server.deliveries.length > 4 ? { headers: { "retry-after": "900" } } : {}),
    };
  };
  const server = await start({ fault });
  const done = await run(...target(server), "--count", "3", "--users", "3", "--concurrency", "1");
  expect(done.slept).toEqual([200, 400, 800, 5000]);
  expect(done.exitCode).toBe(1);
  expect(done.stdout).toContain("3 events: 2 accepted, 1 rejected. 2 of 3 users in step.");
  expect(done.stdout).toContain("  429 slow");
});

test("with a wrong secret every event is rejected, three answers are shown, and retrying ends soon", async () => {
  const server = await start();
  const wrong = ["--url", server.url, "--secret", "whsec_AAAA", "--secret-key", standInKey];
  const done = await run(...wrong, "--count", "200", "--concurrency", "5");
  expect(done.exitCode).toBe(1);
  expect(done.stdout).toContain("200 events: 0 accepted, 200 rejected. 0 of 67 users in step.");
  expect(done.stdout.filter((line) => line.includes('401 {"error":"Invalid signature"}'))).toHaveLength(3);
  expect(done.stdout.join()).toContain("Next: compare --secret");
  expect(done.slept.length).toBeLessThan(30 * 4);
});

test("a redirect is a failure", async () => {
  const server = await start({ fault: () => ({ status: 307, headers: { location: "/functions/v1/clerk-webhook" } }) });
  const done = await run(...target(server), "--count", "1", "--json");
  expect(readSummary(done)).toMatchObject({ accepted: 0, rejected: 1, statuses: { 307: 1 } });
});

test("rows are asked for until the queue is empty", async () => {
  const server = await start({ openJobs: (question) => (question < 4 ? 2 : 0) });
  const done = await run(...target(server), "--count", "9");
  expect(done.slept).toEqual([250, 250, 250]);
  expect(done.exitCode).toBe(0);
});

test("when time is up with work still queued, what is in step counts and the queue is named", async () => {
  const server = await start({ openJobs: () => 1, spoil: (state) => ({ ...state, deleted: false, row: null }) });
  const done = await run(...target(server), "--count", "4", "--users", "4", "--timeout", "1");
  expect(done.exitCode).toBe(1);
  expect(done.slept.reduce((sum, each) => sum + each, 0)).toBe(1000);
  expect(done.stdout).toContain("4 events: 4 accepted, 0 rejected. 0 of 4 users in step.");
  expect(done.stdout).toContain("4 users still have work in the queue: is a worker running? --timeout waits longer.");
});

test("users out of step are listed field by field, ten at most, with where to look next", async () => {
  const spoil: StandInOptions["spoil"] = (state) =>
    state.row === null ? state : { ...state, row: { ...state.row, role: "owner" } };
  const server = await start({ spoil });
  const done = await run(...target(server), "--count", "20", "--users", "20");
  expect(done.exitCode).toBe(1);
  const differences = done.stdout.filter((line) => /^ {2}user_\w+ role: expected "\w+", found "owner"$/.test(line));
  expect(differences).toHaveLength(10);
  expect(done.stdout.at(-1)).toContain("from public.job_queue where clerk_id = 'user_");
});

test("without a secret key rows are not checked, it is said, and the run is no proof", async () => {
  const server = await start();
  const done = await run("--url", server.url, "--secret", standInSecret, "--count", "3", "--json");
  expect(readSummary(done)).toMatchObject({ accepted: 3, checked: 0, inStep: 0, outOfStep: 0 });
  expect(done.stderr.join()).toMatch(/Rows were not checked: no secret key/);
  expect(done.exitCode).toBe(1);
});

test("a refused key is reported and not asked with again", async () => {
  const done = await run(...target(await start(), "wrong"), "--count", "3");
  expect(done.stdout.at(-1)).toMatch(/3 accepted, 0 rejected. Rows were not checked: .* answered 401/);
  expect(done.slept).toEqual([]);
  expect(done.exitCode).toBe(1);
});

test("--rate spaces the deliveries out", async () => {
  const server = await start();
  const done = await run(...target(server), "--count", "10", "--rate", "4", "--concurrency", "1", "--json");
  expect(readSummary(done)).toMatchObject({ seconds: 2.25 });
});

test("when nobody listens the run ends at once and names the address", async () => {
  const server = await start();
  await server.stop();
  const done = await run(...target(server), "--count", "1000");
  expect(done.exitCode).toBe(1);
  expect(done.stderr).toEqual([expect.stringMatching(`error endpoint_unreachable: Nothing answers at ${server.url}`)]);
  expect(done.slept).toEqual([]);
});
