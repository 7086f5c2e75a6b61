import { expect, test } from "vitest";
import { userEvent } from "../../../../../tests/support/clerk/build-event.ts";
import {
  createFakeClerk,
  createFakeRuns,
  createFakeSlices,
  newRun,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import { parsePage } from "../clerk/parse-page.ts";
import type { NewJob } from "../database/database.ts";
import { backfillUsers } from "./backfill-users.ts";
import type { RunsDatabase } from "./runs-database.ts";

const leased = { token: "t", readAt: "2026-01-01T00:00:00Z", mirrors: false, openJobs: 0 };

/** The step over these users, and what the database says to do with them. */
async function fill(sources: string[], does: "fill" | "whole" | null, changes: Record<string, unknown> = {}) {
  const { data } = userEvent("user.updated", { id: "user_a", version: 1 });
  const page = parsePage([{ ...data, image_url: "https://img.example.com/a", ...changes }]);
  const { runs } = createFakeRuns(null);
  const compareColumns: RunsDatabase["compareColumns"] = async (users) =>
    does === null ? [] : users.map(({ clerk_id }) => ({ clerk_id, does }));
  const slices = createFakeSlices({ ...runs, compareColumns }, { clerk: createFakeClerk([page]) });
  const run = { ...newRun("backfill", { columns: ["some"], sources }), ...leased };
  const step = await backfillUsers(run, slices);
  if (typeof step === "string") throw new Error(step);
  const [job] = (step.jobs ?? []) as NewJob[];
  return { job, counts: step.counts, slices };
}

test("a job of some columns says them, and names every other field as absent", async () => {
  const { job, slices } = await fill(["image_url", "now"], "fill");
  expect(job?.payload).toEqual({
    clerk_id: "user_a",
    image_url: "https://img.example.com/a",
    retry_count: 0,
    absent: [...slices.fields, "external_id"],
  });
});

test("what the page lacks of a named column is absent too", async () => {
  const { job } = await fill(["username"], "fill", { username: undefined });
  expect(job?.payload).not.toHaveProperty("username");
});

test("a user whom a change was lost of gets a job of everything", async () => {
  const { job } = await fill(["image_url"], "whole");
  expect(job?.payload).toHaveProperty("created_at");
  expect(job).toMatchObject({ job_type: "USER_UPDATED", event_id: `backfill_run-1_user_a_${job?.version}` });
});

test("a user who has what Clerk says gets no job", async () => {
  const { job, counts } = await fill(["image_url"], null);
  expect([job, counts]).toEqual([undefined, { read: 1, unreadable: 0, unchanged: 1 }]);
});

test("a run of columns that are mapped no more brings in nobody whole", async () => {
  const { job } = await fill([], "fill");
  expect(Object.keys(job?.payload ?? {}).sort()).toEqual(["absent", "clerk_id", "retry_count"]);
});
