import { expect, test } from "vitest";
import {
  createFakeClerk,
  createFakeRuns,
  newRun,
  noFakeRecords,
  pageOf,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import { keepLease } from "./keep-lease.ts";
import type { LeasedRun } from "./step.ts";

/** A leased run whose every request to Clerk's API takes so many seconds. */
function holdRun(seconds: number) {
  const open = newRun("compare");
  const { runs, state } = createFakeRuns(open);
  const clock = { now: 0 };
  const readUser = async () => {
    clock.now += seconds * 1000;
    return { deleted: true } as const;
  };
  const clerk = createFakeClerk([pageOf("user_a")], { readUser });
  const run: LeasedRun = { ...open, token: "token-1", readAt: "before", mirrors: false, openJobs: 0 };
  return {
    state,
    clock,
    run,
    kept: keepLease({ runs, clerk, records: noFakeRecords, auth: null, now: () => clock.now }, run),
  };
}

test("a step of many slow requests renews the lease between them, and what it read stays as old as it is", async () => {
  const { kept, state, run } = holdRun(20);
  for (let request = 0; request < 5; request++) await kept.clerk.readUser("user_a");
  expect(state.steps).toEqual([{}, {}, {}, {}]);
  expect(run.readAt).toBe("before");
});

test("quick requests cost nothing, and a step that was stored counts as renewed", async () => {
  const { kept, state, clock } = holdRun(0);
  for (let request = 0; request < 100; request++) await kept.clerk.readUser("user_a");
  clock.now += 4000;
  await kept.runs.advance("run-1", "token-1", { phase: "walk" });
  clock.now += 4000;
  await kept.clerk.listUsers();
  expect(state.steps).toEqual([{ phase: "walk" }]);
});

test("requests that go out together share one renewal", async () => {
  const { kept, state, clock } = holdRun(0);
  clock.now += 6000;
  await Promise.all(Array.from({ length: 10 }, () => kept.clerk.readUser("user_a")));
  expect(state.steps).toEqual([{}]);
});

test("a run that another runner has taken meanwhile asks Clerk nothing more", async () => {
  const { kept, state, clock } = holdRun(0);
  state.isHeld = false;
  clock.now += 6000;
  await expect(kept.clerk.readUser("user_a")).rejects.toMatchObject({ code: "run_lost" });
});

test("a request about organizations renews the lease as well", async () => {
  const { kept, state, clock } = holdRun(0);
  clock.now += 20_000;
  await kept.records.clerk.listOrganizations({ offset: 0, limit: 500 });
  expect(state.steps).toEqual([{}]);
});
