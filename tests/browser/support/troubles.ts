import { expect, type System } from "../../e2e/system.ts";
import { deletedEvent } from "../../support/clerk/build-event.ts";

/** Calls to a service are paused for the next hour. */
export async function openCircuit({ query }: System, name: "auth" | "clerk" = "clerk"): Promise<void> {
  await query(
    `update clerk_sync.circuits
     set failures = 5, openings = 5, probe_at = now() + interval '1 hour', last_error = name || '_unavailable'
     where name = $1`,
    [name],
  );
}

/** Deletions that come while the brake is engaged. */
export async function holdDeletions(system: System, clerkIds: string[]): Promise<void> {
  const reason = "more than 2 deletions within 60 minutes";
  await system.query("update clerk_sync.delete_brake set engaged_at = now(), reason = $1 where kind = 'user'", [
    reason,
  ]);
  for (const id of clerkIds) await system.send(deletedEvent({ id, version: 2 }));
  const held = "select count(*)::int as count from job_queue where error like 'delete_brake: %' and status = 'PENDING'";
  await expect.poll(async () => (await system.query(held))[0]?.["count"]).toBe(clerkIds.length);
}
