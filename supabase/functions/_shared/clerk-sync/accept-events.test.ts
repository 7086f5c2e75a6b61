import { afterEach, expect, test, vi } from "vitest";
import { createAcceptEvents } from "./accept-events.ts";
import type { NewJob } from "./database.ts";
import { SyncError } from "./errors.ts";

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

type Call = { ids: string[]; answer: () => void; fail: (error: unknown) => void };

/** A database whose calls end when told to. */
function setUp() {
  const calls: Call[] = [];
  const accept = createAcceptEvents({
    apply: { mirrors: false, deleteMode: "hard", deleteBrake: null },
    call: (_, args) =>
      new Promise((resolve, reject) => {
        const ids = (args["p_jobs"] as NewJob[]).map(({ event_id }) => event_id);
        const answers = ids.map((id) => ({ event_id: id, outcome: "queued", job_id: `job_${id}`, user: null }));
        calls.push({ ids, answer: () => resolve(answers), fail: reject });
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
  calls[3]?.answer();
  await settle();
  calls[4]?.fail(new SyncError("database_rejected", "no"));
  calls[1]?.answer();
  expect(await Promise.all(stored)).toEqual(["job_x", "job_y", "job_good", "database_rejected"]);
  expect(calls.slice(3).map(({ ids }) => ids)).toEqual([["good"], ["bad"]]);
});

test("while the database is not there nobody's event is tried a second time", async () => {
  const { calls, store } = setUp();
  const stored = ["x", "y", "a", "b"].map((id) => store(id).catch((error: SyncError) => error.code));
  for (const place of [0, 1, 2]) {
    calls[place]?.fail(new SyncError("database_unavailable", "gone"));
    await settle();
  }
  expect(await Promise.all(stored)).toEqual(Array(4).fill("database_unavailable"));
  expect(calls).toHaveLength(3);
});

test("an event the answer does not name is not taken for stored", async () => {
  const accept = createAcceptEvents({
    apply: { mirrors: false, deleteMode: "hard", deleteBrake: null },
    call: async () => [],
  });
  await expect(accept([job("a")], 15)).rejects.toMatchObject({ code: "database_answer_invalid" });
});

test("an event waits two seconds for a database that stands still, and is refused in time for its sender", async () => {
  vi.useFakeTimers();
  const { calls, store } = setUp();
  const stored = ["x", "y", "a", "b"].map((id) => store(id).catch((error: SyncError) => error.code));
  await vi.advanceTimersByTimeAsync(1999);
  void store("late");
  await vi.advanceTimersByTimeAsync(1);
  expect(await Promise.all(stored.slice(2))).toEqual(["database_unavailable", "database_unavailable"]);
  calls[0]?.answer();
  await vi.advanceTimersByTimeAsync(0);
  expect(calls.map(({ ids }) => ids)).toEqual([["x"], ["y"], ["late"]]);
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
