import { expect, test } from "vitest";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { createDeliveryRecorder } from "./record-deliveries.ts";

type Written = {
  p_accepted_at: string | null;
  p_entries: { kind: string; source: string; count: number }[];
  p_counts: { name: string; value: string; count: number }[];
};

/** A recorder whose time passes only by its own pauses. */
function recorderWith(fail = false) {
  const written: Written[] = [];
  const works: Promise<void>[] = [];
  const state = { now: Date.parse("2026-11-20T10:00:00Z"), pauses: [] as number[], fail };
  const recorder = createDeliveryRecorder({
    call: async (_, args) => {
      if (state.fail) throw new Error("no database");
      written.push(args as Written);
    },
    keepAlive: (work) => works.push(work),
    now: () => state.now,
    sleep: async (milliseconds) => {
      state.pauses.push(milliseconds);
      state.now += milliseconds;
    },
  });
  return { recorder, written, state, done: () => Promise.all(works) };
}

const refusal = (source: string) => ({ code: "signature_invalid" as const, source });

test("the first delivery is written at once, those after it together ten seconds later", async () => {
  const { recorder, written, state, done } = recorderWith();
  recorder.hooks.onAccepted();
  for (let place = 0; place < 1000; place++) recorder.hooks.onAccepted();
  await done();
  state.now += 3000;
  for (let place = 0; place < 1000; place++) recorder.hooks.onAccepted();
  await done();
  expect(written.map(({ p_accepted_at }) => p_accepted_at)).toEqual([
    "2026-11-20T10:00:00.000Z",
    "2026-11-20T10:00:10.000Z",
  ]);
  expect(state.pauses).toEqual([0, 7000]);
});

test("refusals that are alike are one entry with their number", async () => {
  const { recorder, written, done } = recorderWith();
  for (const source of ["a", "b", "a", "a"]) recorder.hooks.onRefused(refusal(source));
  recorder.hooks.onIgnored({ kind: "sample_event", source: "a", code: "user.created" });
  await done();
  expect(written.flatMap(({ p_entries }) => p_entries.map(({ kind, source, count }) => [kind, source, count]))).toEqual(
    [
      ["delivery_refused", "a", 3],
      ["delivery_refused", "b", 1],
      ["sample_event", "a", 1],
    ],
  );
});

test("events of kinds that are not stored are counted by kind", async () => {
  const { recorder, written, done } = recorderWith();
  for (const kind of ["organizationMembership", "session", "organizationMembership"]) recorder.hooks.onSkipped(kind);
  await done();
  expect(written.flatMap(({ p_counts }) => p_counts)).toEqual([
    { name: "skipped", value: "organizationMembership", count: 2 },
    { name: "skipped", value: "session", count: 1 },
  ]);
});

test("a flood from a hundred thousand sources is a hundred entries and the number of the rest", async () => {
  const { recorder, written, done } = recorderWith();
  for (let place = 0; place < 100_000; place++) recorder.hooks.onRefused(refusal(`${place}`));
  await done();
  const entries = written.flatMap(({ p_entries }) => p_entries);
  expect(entries).toHaveLength(101);
  expect(entries.find(({ source }) => source === "(other)")?.count).toBe(99_900);
});

test("what cannot be written is logged by its number, and the next is written again", async () => {
  const lines = await captureLog();
  const { recorder, written, state, done } = recorderWith(true);
  recorder.hooks.onRefused(refusal("a"));
  await done();
  state.fail = false;
  recorder.hooks.onRefused(refusal("b"));
  await done();
  expect(lines.map(({ text }) => text).join()).toContain("audit.not_written");
  expect(written).toMatchObject([{ p_entries: [{ source: "b" }] }]);
});

test("closing writes what is there", async () => {
  const { recorder, written } = recorderWith();
  recorder.hooks.onAccepted();
  await recorder.close();
  await recorder.close();
  expect(written).toHaveLength(1);
});

test("answers are counted by status and signature failures by code, and each is written once", async () => {
  const { recorder, written, done } = recorderWith();
  for (const status of [202, 401, 202]) recorder.hooks.onAnswered(status);
  recorder.hooks.onRefused(refusal("a"));
  recorder.hooks.onRefused({ code: "rate_limited", source: "a" });
  await done();
  recorder.hooks.onAnswered(202);
  await done();
  expect(written.map(({ p_counts }) => p_counts)).toEqual([
    [
      { name: "answers", value: "202", count: 2 },
      { name: "answers", value: "401", count: 1 },
      { name: "signature_failures", value: "signature_invalid", count: 1 },
    ],
    [{ name: "answers", value: "202", count: 1 }],
  ]);
});
