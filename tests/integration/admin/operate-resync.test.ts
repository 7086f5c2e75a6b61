import { afterAll, beforeAll, expect, it } from "vitest";
import { type ClerkAndServer, startClerkAndServer } from "../../support/clerk/clerk-and-server.ts";
import { clerkIdOf } from "../../support/clerk/make-users.ts";
import { waitFor } from "../../support/processes/wait-for.ts";

let system: ClerkAndServer;
beforeAll(async () => {
  system = await startClerkAndServer({ CLERK_SECRET_KEY: "sk_live_stand_in" });
});
afterAll(() => system?.stop());

it("a user whose event was lost is found out and mended from the terminal, without SQL", async () => {
  await system.change(0, { version: 1, lastName: "Old" });
  await system.server.quiet();
  await system.change(0, { version: 2, lastName: "New" }, true);
  const id = clerkIdOf(0);
  const before = await system.cli.run("users", "show", id);
  expect([before.exitCode, before.stdout]).toEqual([1, expect.stringMatching(/^✗ .*differs$/ms)]);
  const resync = await system.cli.run("users", "resync", id);
  expect([resync.exitCode, resync.stdout]).toEqual([0, expect.stringContaining(`clerk-sync users show ${id}`)]);
  // Until a worker looks, what was asked for stands at the user and not in the queue.
  await waitFor("the newer name", async () => `${await system.rowsHere()}`.includes("Ada New"));
  await system.server.quiet();
  const { exitCode, summary } = await system.cli.json("users", "show", id);
  expect([exitCode, summary.verdict.in_step, summary.differences]).toEqual([0, true, []]);
  const { rows } = await system.server.pool.query("select source from clerk_sync.audit where code = 'resync_user'");
  expect(rows).toEqual([{ source: expect.stringMatching(/^cli ./) }]);
});
