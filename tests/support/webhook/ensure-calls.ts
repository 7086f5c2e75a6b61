import type { ReadUser } from "#core/clerk/read-user.ts";
import { createEnsureUser } from "#core/ensure-user/ensure-user.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createFakeClerk } from "../clerk/fake-clerk.ts";
import { rootFields } from "../clerk/root-fields.ts";
import { createQueue } from "../database/queue.ts";

/** A queue, a Clerk to read from, and calls for the own row. */
export async function createEnsureCalls() {
  const queue = await createQueue();
  const clerk = createFakeClerk();
  return {
    queue,
    clerk,
    /** Asks for a row as one isolate of the function does; each has its own memory of what is in hand. */
    ensure: (clerkId: string, readUser: ReadUser | null = clerk.readUser) => {
      const options = {
        database: queue.database,
        readUser,
        fields: rootFields,
        maxAttempts: 15,
        onQueued: () => undefined,
      };
      return createEnsureUser(options)(clerkId);
    },
    /** Works as the processor does, with a mirror that only notes whom it was called for. */
    work: async () => {
      const mirrored: string[] = [];
      const mirrorUser = async (order: { clerk_id: string }) => {
        mirrored.push(order.clerk_id);
        return { outcome: "created", authUserId: "00000000-0000-4000-8000-000000000001" } as const;
      };
      const rules = { fields: rootFields, deleteBrake: null } as const;
      const dependencies = { database: queue.database, mirrorUser, readUser: clerk.readUser, now: Date.now, ...rules };
      const { dead, failed } = await processQueue(dependencies, { budgetMilliseconds: 10_000 });
      return { mirrored, dead, failed };
    },
    jobsOf: async (clerkId: string) => {
      const sql = `select event_id, source, status, result, attempts, version from public.job_queue
        where clerk_id = $1 order by status, event_id`;
      return (await queue.pool.query(sql, [clerkId])).rows;
    },
  };
}

export type EnsureCalls = Awaited<ReturnType<typeof createEnsureCalls>>;
