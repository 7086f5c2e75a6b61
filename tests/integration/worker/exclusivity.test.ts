import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createDatabase } from "#core/database/database.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { startSlowAuthServer } from "../../support/supabase/slow-auth-server.ts";

let queue: Queue;
let auth: Awaited<ReturnType<typeof startSlowAuthServer>>;
let workers: pg.Pool[];
beforeEach(async () => {
  queue = await createQueue();
  workers = [];
});
afterEach(async () => {
  await auth?.stop();
  await Promise.all(workers.map((pool) => pool.end()));
  await queue?.drop();
});

/** A worker with one connection of its own and real HTTP to Auth. */
function createWorker() {
  const pool = openPool(queue.url, { max: 1 });
  workers.push(pool);
  const mirrorUser = createMirrorUser(createAuthAdmin({ supabaseUrl: auth.url, secretKey: "sb_secret_test" }));
  const rules = { readUser: null, fields: rootFields, deleteBrake: null, now: Date.now } as const;
  const database = createDatabase(createCallFunction(pool));
  return () => processQueue({ database, mirrorUser, ...rules }, { budgetMilliseconds: 10_000 });
}

const update = (id: string, version: number) =>
  userEvent("user.updated", { id, version, firstName: `V${version}`, lastName: null });

it("while Auth takes its time over a user, a second worker leaves that user alone and serves the others", async () => {
  auth = await startSlowAuthServer(new Set(["user_slow"]));
  const [first, second] = [createWorker(), createWorker()];
  await queue.send(update("user_slow", 1));
  const working = first();
  await waitFor("the call to Auth", async () => auth.seen.has("user_slow"));
  await queue.send(update("user_slow", 2), "msg_second");
  await queue.send(update("user_quick", 1));
  expect(await second()).toMatchObject({ processed: 1, completed: 1 });
  expect(await queue.job("msg_second")).toMatchObject({ status: "PENDING", attempts: 0 });
  expect(auth.seen.get("user_slow")).toMatchObject({ names: ["V1"], inHand: 1 });
  auth.release();
  await working;
  await second();
  expect(auth.seen.get("user_slow")).toEqual({ names: ["V1", "V2"], inHand: 0, most: 1 });
});

it("two workers on many versions of many users never have two calls for one user at once", async () => {
  auth = await startSlowAuthServer();
  const run = [createWorker(), createWorker()];
  const users = Array.from({ length: 20 }, (_, place) => `user_${place}`);
  for (let version = 1; version <= 8; version++) {
    const working = run.map((work) => work());
    await queue.sendAll(users.map((id) => update(id, version)));
    await Promise.all(working);
  }
  await Promise.all(run.map((work) => work()));
  for (const id of users) {
    const names = auth.seen.get(id)?.names ?? [];
    expect(auth.seen.get(id)).toMatchObject({ most: 1, inHand: 0 });
    expect(names).toEqual([...names].sort());
    expect(names.at(-1)).toBe("V8");
  }
});
