import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createQueue, type Queue } from "../../support/database/queue.ts";

let queue: Queue;
beforeEach(async () => {
  queue = await createQueue();
});
afterEach(() => queue?.drop());

/** Jobs whose last attempt ended so many minutes ago. */
const insertJobs = (status: "COMPLETED" | "FAILED" | "DEAD" | "CANCELLED", jobs: number, minutes = 1) =>
  queue.pool.query(
    `insert into job_queue (job_type, status, attempts, run_at, updated_at, processed_at)
     select 'USER_UPDATED', $1, 1, now() + interval '1 hour', n.at, case when $1 in ('COMPLETED', 'CANCELLED') then n.at end
     from (select now() - make_interval(mins => $3, secs => g::double precision / 1000) as at
           from generate_series(1, $2) as g) as n`,
    [status, jobs, minutes],
  );
/** The reason, if there is one; dead letters are another. */
const errorRate = async (): Promise<{ what: string; since: string } | undefined> => {
  const health = (await queue.one("select clerk_sync_health() as h"))?.["h"] as {
    reasons: { code: string; what: string; since: string }[];
  };
  return health.reasons.find(({ code }) => code === "error_rate");
};

describe("the error rate", () => {
  it("of a fifth of the jobs tried degrades, and of less does not", async () => {
    await insertJobs("COMPLETED", 40);
    await insertJobs("FAILED", 5);
    await insertJobs("DEAD", 4);
    expect(await errorRate()).toBeUndefined();
    await insertJobs("FAILED", 1, 5);
    expect(await errorRate()).toMatchObject({
      status: "degraded",
      what: "Of the last 50 jobs that were tried 10 failed.",
    });
    await insertJobs("COMPLETED", 1);
    expect(await errorRate()).toBeUndefined();
  });

  it("of fewer than ten failures is none, however few jobs there are", async () => {
    await insertJobs("FAILED", 9);
    expect(await errorRate()).toBeUndefined();
  });

  it("forgets what is older than a quarter of an hour, and what a person cancelled", async () => {
    await insertJobs("FAILED", 50, 15);
    await insertJobs("CANCELLED", 50);
    expect(await errorRate()).toBeUndefined();
  });

  it("of a busy queue compares failures and successes of the same time", async () => {
    await insertJobs("COMPLETED", 5000);
    await insertJobs("FAILED", 150, 4);
    expect(await errorRate()).toBeUndefined();
  });

  it("does not count dead letters that were never tried", async () => {
    await queue.pool.query(
      "insert into job_queue (job_type, status, attempts) select 'USER_UPDATED', 'DEAD', 0 from generate_series(1, 50)",
    );
    expect(await errorRate()).toBeUndefined();
  });
});
