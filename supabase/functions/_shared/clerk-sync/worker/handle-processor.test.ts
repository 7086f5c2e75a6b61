import { describe, expect, test } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { createFakeQueue, type FakeJob, owing } from "../../../../../tests/support/database/fake-queue.ts";
import { createFakeRuns, createFakeSlices } from "../../../../../tests/support/database/fake-runs-database.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { SyncError } from "../errors.ts";
import { createCheckCaller } from "../http/check-caller.ts";
import { handleProcessor, type ProcessorDependencies } from "./handle-processor.ts";

const secret = "processor-secret-0123456789";

function processorWith(batches: FakeJob[][], changes: Partial<ProcessorDependencies> = {}) {
  const queue = createFakeQueue(batches);
  const dependencies: ProcessorDependencies = {
    database: queue.database,
    mirrorUser: null,
    readUser: null,
    slices: null,
    fields: rootFields,
    deleteBrake: null,
    now: () => 0,
    checkCaller: createCheckCaller([secret]),
    budgetMilliseconds: 1000,
    retentionDays: 30,
    supervision: {
      beat: async () => undefined,
      sendAlerts: async () => undefined,
    },
    ...changes,
  };
  return { queue, dependencies };
}

function start(dependencies: ProcessorDependencies, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${secret}` };
  const url = "http://localhost/functions/v1/user-job-processor";
  return handleProcessor(new Request(url, { method: "POST", headers, ...init }), dependencies);
}

describe("200", () => {
  test("names every job with its type and status, and counts them", async () => {
    const jobs: FakeJob[] = [
      { id: "1" },
      { id: "2", status: "FAILED" },
      { id: "3", status: "DEAD", error: "x: ada@example.com" },
    ];
    const response = await start(processorWith([jobs]).dependencies);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      success: true,
      processed: 3,
      completed: 1,
      failed: 1,
      dead: 1,
      jobs: [
        { jobId: "1", jobType: "USER_UPDATED", status: "COMPLETED" },
        { jobId: "2", jobType: "USER_UPDATED", status: "FAILED" },
        { jobId: "3", jobType: "USER_UPDATED", status: "DEAD" },
      ],
    });
  });

  test("says that there was nothing to do", async () => {
    const response = await start(processorWith([]).dependencies);
    expect(response.status).toBe(200);
    const counts = { processed: 0, completed: 0, failed: 0, dead: 0 };
    expect(await response.json()).toEqual({ success: true, message: "No pending jobs", ...counts, jobs: [] });
  });

  test("works through everything that is due, in one call", async () => {
    const { queue, dependencies } = processorWith([[{ id: "1" }], [{ id: "2" }], [{ id: "3" }]]);
    expect(await (await start(dependencies)).json()).toMatchObject({ processed: 3 });
    expect(queue.claims).toHaveLength(4);
  });

  test("lists at most 1,000 jobs, and counts all", async () => {
    const batch = Array.from({ length: 250 }, (_, index) => ({ id: String(index) }));
    const response = await start(processorWith([batch, batch, batch, batch, batch]).dependencies);
    const answer = await response.json();
    expect(answer.processed).toBe(1250);
    expect(answer.jobs).toHaveLength(1000);
  });

  test("mirrors what the jobs owe", async () => {
    const mirrorUser = async () => ({ outcome: "created", authUserId: "auth_1" }) as const;
    const { queue, dependencies } = processorWith([owing(2)], { mirrorUser });
    expect(await (await start(dependencies)).json()).toMatchObject({ completed: 2 });
    expect(queue.settlements).toHaveLength(1);
  });

  test("is answered when the time is used up, with what was done", async () => {
    let now = 0;
    const { dependencies } = processorWith([[{ id: "1" }], [{ id: "2" }]], {
      now: () => {
        now += 600;
        return now;
      },
    });
    expect(await (await start(dependencies)).json()).toMatchObject({ processed: 1 });
  });

  test("comes after jobs of crashed workers were rescued, once", async () => {
    const { queue, dependencies } = processorWith([[{ id: "1" }]]);
    const rescue = queue.database.rescueJobs;
    queue.database.rescueJobs = () => {
      expect(queue.claims).toEqual([]);
      return rescue();
    };
    expect((await start(dependencies)).status).toBe(200);
    expect(queue.state.rescues).toBe(1);
  });
});

describe("a refusal", () => {
  test.each([
    ["without a key", {}],
    ["with the public key", { apikey: "sb_publishable_1", authorization: "Bearer sb_publishable_1" }],
  ])("of a caller %s is 401, and nothing is worked on", async (_, headers) => {
    const { queue, dependencies } = processorWith([[{ id: "1" }]]);
    const response = await start(dependencies, { headers });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "caller_unauthorized" });
    expect(queue.claims).toEqual([]);
    expect(queue.state.rescues).toBe(0);
  });

  test("is given to everybody while no key is set", async () => {
    const { dependencies } = processorWith([[{ id: "1" }]], { checkCaller: createCheckCaller([]) });
    expect((await start(dependencies)).status).toBe(401);
  });

  test.each(["GET", "PUT", "DELETE"])("of %s is 405, and nothing is worked on", async (method) => {
    const { queue, dependencies } = processorWith([[{ id: "1" }]]);
    expect((await start(dependencies, { method })).status).toBe(405);
    expect(queue.claims).toEqual([]);
  });
});

describe("a failure", () => {
  const down = new SyncError("database_unavailable", "The database is not available.", { retryable: true });

  const breaks: [string, (database: ProcessorDependencies["database"]) => void][] = [
    ["jobs are rescued", (database) => Object.assign(database, { rescueJobs: () => Promise.reject(down) })],
    ["jobs are run", (database) => Object.assign(database, { runJobs: () => Promise.reject(down) })],
  ];

  test.each(breaks)("of the database when %s is 503 with its code", async (_, breakDatabase) => {
    const { dependencies } = processorWith([]);
    breakDatabase(dependencies.database);
    const response = await start(dependencies);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.json()).toEqual({ error: "The database is not available.", code: "database_unavailable" });
  });

  test("that nobody foresaw is 500 without its text, which goes to the log", async () => {
    const lines = await captureLog();
    const { queue, dependencies } = processorWith([]);
    queue.database.runJobs = () => Promise.reject(new TypeError("x is undefined"));
    const response = await start(dependencies);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error: "Internal server error" });
    expect(lines.map(({ method, text }) => ({ method, ...JSON.parse(text) }))).toMatchObject([
      { method: "error", event: "processor.failed", error: "x is undefined" },
    ]);
  });
});

describe("what is looked after beside the work", () => {
  function supervised() {
    const seen: string[] = [];
    const supervision: ProcessorDependencies["supervision"] = {
      beat: async () => void seen.push("beat"),
      sendAlerts: async () => void seen.push("alerts"),
    };
    return { seen, ...processorWith([[{ id: "1" }]], { supervision }) };
  }

  test("a call with work beats, and then tells of incidents", async () => {
    const { seen, dependencies } = supervised();
    await start(dependencies);
    expect(seen).toEqual(["beat", "alerts"]);
  });

  test("a call that asks for no run starts a sweep when the last one is a quarter of an hour old", async () => {
    const { runs, state } = createFakeRuns(null);
    const take: typeof runs.take = async (options) => {
      state.taken.push(options);
      return { outcome: "none" };
    };
    const { dependencies } = processorWith([[{ id: "1" }]], { slices: createFakeSlices({ ...runs, take }) });
    await start(dependencies);
    await start(dependencies, { body: '{"source":"schedule"}' });
    await start(dependencies, { body: "no JSON" });
    await start(dependencies, { body: '{"source":"schedule","work":"compare"}' });
    const named = state.taken.filter(({ kind }) => kind !== null);
    expect(named.map(({ kind, idleSeconds = 0 }) => [kind, idleSeconds])).toEqual([
      ["sweep", 900],
      ["sweep", 900],
      ["sweep", 900],
      ["compare", 0],
    ]);
  });

  test("a queue that fails is told of by the call that found it failing", async () => {
    const { seen, dependencies } = supervised();
    const rescueJobs = () => Promise.reject(new SyncError("database_rejected", "no"));
    const response = await start({ ...dependencies, database: { ...dependencies.database, rescueJobs } });
    expect([response.status, ...seen]).toEqual([503, "alerts"]);
  });

  test("a caller without the key gets nothing looked after", async () => {
    const { seen, dependencies } = supervised();
    await start(dependencies, { headers: {}, body: '{"work":"sweep"}' });
    expect(seen).toEqual([]);
  });
});
