import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { NewJob } from "../database/database.ts";
import { SyncError } from "../errors.ts";
import { createAcceptEvents } from "./accept-events.ts";

afterEach(() => {
  vi.useRealTimers();
});

const job = (id: string): NewJob => ({
  event_id: id,
  job_type: "USER_UPDATED",
  clerk_id: `user_${id}`,
  version: 1,
  payload: {},
});

type Call = { name: string; ids: string[]; answer: () => void; fail: (error: unknown) => void };

/** A database whose calls end when told to. */
function setUp() {
  const calls: Call[] = [];
  const accept = createAcceptEvents({
    apply: { mirrors: false },
    call: (name, args) =>
      new Promise((resolve, reject) => {
        const ids = (args["p_jobs"] as NewJob[]).map(({ event_id }) => event_id);
        const answers = ids.map((id) => ({ event_id: id, outcome: "queued", job_id: `job_${id}`, user: null }));
        calls.push({ name, ids, answer: () => resolve(answers), fail: reject });
      }),
  });
  const store = (id: string) => accept([job(id)], 15).then(([stored]) => stored?.job_id);
  return { calls, store };
}

/** Lets everything that is ready to run do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("a lone event is stored at once, without waiting for others", () => {
  const { calls, store } = setUp();
  void store("a");
  expect(calls.map(({ ids }) => ids)).toEqual([["a"]]);
});

test("events that come while two calls are under way share the next one, and each caller gets its own answer", async () => {
  const { calls, store } = setUp();
  const stored = ["a", "b", "c", "d", "e"].map(store);
  expect(calls.map(({ ids }) => ids)).toEqual([["a"], ["b"]]);
  calls[0]?.answer();
  await settle();
  expect(calls.map(({ ids }) => ids)).toEqual([["a"], ["b"], ["c", "d", "e"]]);
  calls[1]?.answer();
  calls[2]?.answer();
  expect(await Promise.all(stored)).toEqual(["job_a", "job_b", "job_c", "job_d", "job_e"]);
});

test("while four events are in hand the next ones wait to share a call, unless they fill one", async () => {
  const { calls, store } = setUp();
  for (const id of ["x", "y", "a", "b", "c", "d"]) void store(id);
  calls[0]?.answer();
  calls[1]?.answer();
  await settle();
  expect(calls[2]?.ids).toEqual(["a", "b", "c", "d"]);
  for (let place = 0; place < 49; place += 1) void store(`e${place}`);
  expect(calls).toHaveLength(3);
  void store("e49");
  expect(calls[3]?.ids).toHaveLength(50);
});

test("an event that is delivered twice at once is in one call once", async () => {
  const { calls, store } = setUp();
  for (const id of ["x", "y", "a", "a", "b"]) void store(id);
  calls[0]?.answer();
  await settle();
  calls[1]?.answer();
  await settle();
  expect(calls.slice(2).map(({ ids }) => ids)).toEqual([["a", "b"], ["a"]]);
});

test("a shared call holds fifty events at most", async () => {
  const { calls, store } = setUp();
  for (let place = 0; place < 62; place += 1) void store(`e${place}`);
  calls[0]?.answer();
  await settle();
  expect(calls[2]?.ids).toHaveLength(50);
});

test("when a shared call is refused only the event at fault is refused", async () => {
  const { calls, store } = setUp();
  const stored = ["x", "y", "good", "bad"].map((id) => store(id).catch((error: SyncError) => error.code));
  calls[0]?.answer();
  await settle();
  calls[2]?.fail(new SyncError("database_rejected", "no"));
  await settle();
  calls[3]?.fail(new SyncError("database_rejected", "no"));
  await settle();
  calls[4]?.answer();
  await settle();
  calls[5]?.fail(new SyncError("database_rejected", "no"));
  calls[1]?.answer();
  expect(await Promise.all(stored)).toEqual(["job_x", "job_y", "job_good", "database_rejected"]);
  expect(calls.slice(2).map(({ name, ids }) => [name, ids])).toEqual([
    ["clerk_sync_accept", ["good", "bad"]],
    ["clerk_sync_enqueue", ["good", "bad"]],
    ["clerk_sync_enqueue", ["good"]],
    ["clerk_sync_enqueue", ["bad"]],
  ]);
});

test("while the database is not there events are tried once more together, without being applied, and not alone", async () => {
  const { calls, store } = setUp();
  const stored = ["x", "y", "a", "b"].map((id) => store(id).catch((error: SyncError) => error.code));
  for (const place of [0, 1, 2, 3, 4, 5]) {
    calls[place]?.fail(new SyncError("database_unavailable", "gone"));
    await settle();
  }
  expect(await Promise.all(stored)).toEqual(Array(4).fill("database_unavailable"));
  expect(calls).toHaveLength(6);
});

test("an event the answer does not name is not taken for stored", async () => {
  const accept = createAcceptEvents({
    apply: { mirrors: false },
    call: async () => [],
  });
  await expect(accept([job("a")], 15)).rejects.toMatchObject({ code: "database_answer_invalid" });
});

describe("a call that hangs", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  test("holds up no other event: after half a second those are stored beside it, without being applied", async () => {
    const { calls, store } = setUp();
    const stored = ["x", "y", "a", "b"].map(store);
    await vi.advanceTimersByTimeAsync(499);
    expect(calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls.slice(2)).toMatchObject([{ name: "clerk_sync_enqueue", ids: ["a", "b"] }]);
    for (const { answer } of calls) answer();
    expect(await Promise.all(stored)).toEqual(["job_x", "job_y", "job_a", "job_b"]);
  });

  test("and is cut leaves the next events to workers for a minute; then one of them alone shows how applying is", async () => {
    const { calls, store } = setUp();
    const names = () => {
      const seen = calls.splice(0);
      for (const { answer } of seen) answer();
      return seen.map(({ name, ids }) => [name, ids]);
    };
    void store("hangs");
    await vi.advanceTimersByTimeAsync(2000);
    expect(names()).toEqual([["clerk_sync_accept", ["hangs"]]]);
    await vi.advanceTimersByTimeAsync(59_999);
    void store("soon");
    expect(names()).toEqual([["clerk_sync_enqueue", ["soon"]]]);
    await vi.advanceTimersByTimeAsync(1);
    for (const id of ["trial", "a", "b"]) void store(id);
    expect(calls.map(({ name, ids }) => [name, ids])).toEqual([
      ["clerk_sync_accept", ["trial"]],
      ["clerk_sync_enqueue", ["a"]],
    ]);
    await vi.advanceTimersByTimeAsync(2000);
    names();
    await vi.advanceTimersByTimeAsync(119_999);
    names();
    void store("twice as long");
    expect(names()).toEqual([["clerk_sync_enqueue", ["twice as long"]]]);
    await vi.advanceTimersByTimeAsync(1);
    void store("quick");
    expect(names()).toEqual([["clerk_sync_accept", ["quick"]]]);
    await vi.advanceTimersByTimeAsync(0);
    void store("after");
    expect(names()).toEqual([["clerk_sync_accept", ["after"]]]);
  });

  test("and does not come back is stored without being applied", async () => {
    const { calls, store } = setUp();
    const stored = store("lost");
    calls[0]?.fail(new SyncError("database_unavailable", "Connection terminated unexpectedly"));
    await vi.advanceTimersByTimeAsync(0);
    expect(calls[1]).toMatchObject({ name: "clerk_sync_enqueue", ids: ["lost"] });
    calls[1]?.answer();
    expect(await stored).toBe("job_lost");
    await vi.advanceTimersByTimeAsync(0);
    void store("next");
    expect(calls[2]).toMatchObject({ name: "clerk_sync_enqueue" });
  });
});

test("an event waits two seconds for a database that stands still, and is refused in time for its sender", async () => {
  vi.useFakeTimers();
  const { calls, store } = setUp();
  for (const id of ["x", "y", "a", "b"]) void store(id);
  await vi.advanceTimersByTimeAsync(500); // a and b are stored beside x and y
  void store("c");
  await vi.advanceTimersByTimeAsync(500);
  const late = store("late").catch((error: SyncError) => error.code);
  expect(calls).toHaveLength(4);
  await vi.advanceTimersByTimeAsync(2000);
  expect(await late).toBe("database_unavailable");
});

test("with nothing to be applied at once events are only queued, and share calls all the same", async () => {
  const names: string[] = [];
  const accept = createAcceptEvents({
    apply: null,
    call: async (name, args) => {
      names.push(name);
      return (args["p_jobs"] as NewJob[]).map(({ event_id }) => ({
        event_id,
        outcome: "queued",
        job_id: null,
        user: null,
      }));
    },
  });
  await Promise.all(["a", "b", "c", "d"].map((id) => accept([job(id)], 15)));
  expect(names).toEqual(Array(3).fill("clerk_sync_enqueue"));
});
