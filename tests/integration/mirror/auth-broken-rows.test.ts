import { afterEach, beforeEach, expect, it } from "vitest";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser, type MirrorUser } from "#core/mirror/mirror-user.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { mountAuthStandIn, secretKey } from "../../support/supabase/call-auth-stand-in.ts";
import { type CircuitSystem, createCircuitSystem, created, ids } from "../../support/systems/circuit-system.ts";

let system: CircuitSystem;
let mirrorUser: MirrorUser;
/** What Auth answers in place of its own answer; a test sets it. */
let broken: (method: string, url: string) => Response | undefined;
beforeEach(async () => {
  system = await createCircuitSystem();
  broken = () => undefined;
  mirrorUser = startWorker();
});
afterEach(() => system?.drop());

/** A worker of its own: it has asked Auth nothing yet. */
function startWorker(): MirrorUser {
  const app = mountAuthStandIn(system);
  const send: typeof fetch = async (input, init) =>
    broken(init?.method ?? "GET", String(input)) ?? app.request(String(input), init);
  return createMirrorUser(createAuthAdmin({ supabaseUrl: "http://auth.test", secretKey, fetch: send }));
}

const updated = (id: string) => userEvent("user.updated", { id, version: 2, firstName: "Changed" });
const work = () => system.work({ mirrorUser });

async function jobsOf(clerkIds: readonly string[]) {
  const { rows } = await system.pool.query(
    "select status, attempts, error from public.job_queue where clerk_id = any ($1) and job_type = 'USER_UPDATED'",
    [clerkIds],
  );
  return rows;
}

/** As a bulk import by SQL leaves rows: a token that was never set is NULL, and Auth cannot read it. */
async function breakRows(clerkIds: readonly string[]): Promise<void> {
  const { rowCount } = await system.pool.query(
    `update auth.users set recovery_token = null where raw_app_meta_data ->> 'clerk_id' = any ($1)`,
    [clerkIds],
  );
  expect(rowCount).toBe(clerkIds.length);
}

it.each([1, 6])(
  "%i users whom Auth cannot read fail alone and end; 35 others are mirrored immediately",
  async (count) => {
    const [bad, healthy] = [ids(count, "bad"), ids(35, "healthy")];
    await system.sendNow(...[...bad, ...healthy].map(created));
    await work();
    await breakRows(bad);

    await system.sendNow(...[...bad, ...healthy].map(updated));
    await work();
    const mirrored = await jobsOf(healthy);
    expect(mirrored).toHaveLength(35);
    for (const job of mirrored) expect(job).toMatchObject({ status: "COMPLETED", attempts: 1 });
    expect(await system.circuit("auth")).toMatchObject({ state: "closed" });

    for (let round = 0; round < 20; round++) {
      system.clock.seconds += 901;
      await system.sendNow(created(`late_${round}`));
      await work();
      expect(await system.jobOf(`late_${round}`)).toMatchObject({ status: "COMPLETED" });
    }
    const ended = await jobsOf(bad);
    expect(ended).toHaveLength(count);
    for (const job of ended) {
      expect(job).toMatchObject({ status: "DEAD", attempts: 15, error: expect.stringMatching(/^auth_user_failed: /) });
    }
    expect(await system.circuit("auth")).toMatchObject({ state: "closed", waiting: 0 });
  },
);

const failure = () => Response.json({ code: 500, error_code: "unexpected_failure", msg: "x" }, { status: 500 });

it("a user whom Auth cannot read pays an attempt when it is the probe, and the circuit closes: Auth has answered", async () => {
  await system.sendNow(created("bad_0"), created("healthy_0"));
  await work();
  await breakRows(["bad_0"]);
  broken = failure;
  await system.sendNow(...ids(6, "other").map(created));
  await work();
  await system.sendNow(updated("bad_0"), updated("healthy_0"));
  await work();
  expect(await system.circuit("auth")).toMatchObject({ state: "open" });
  await system.pool.query(
    "update public.job_queue set run_at = '2020-01-01' where clerk_id = 'bad_0' and waits_for = 'auth'",
  );

  broken = () => undefined;
  mirrorUser = startWorker();
  await system.passPause("auth");
  await work();
  expect(await jobsOf(["bad_0"])).toMatchObject([{ status: "FAILED", attempts: 1 }]);
  await work();
  expect(await system.circuit("auth")).toMatchObject({ state: "closed", waiting: 0 });
  expect(await jobsOf(["healthy_0"])).toMatchObject([{ status: "COMPLETED", attempts: 1 }]);
});

it("the circuit opens on twenty mirrored users who fail in a row: Auth reads, and writes nothing", async () => {
  await system.sendNow(...ids(60).map(created));
  await work();
  broken = (method) => (method === "PUT" ? failure() : undefined);
  await system.sendNow(...ids(19).map(updated));
  await work();
  expect(await system.circuit("auth")).toMatchObject({ state: "closed" });
  await system.sendNow(...ids(60).slice(19).map(updated));
  await work();
  expect(await system.circuit("auth")).toMatchObject({ state: "open", last_error: "auth_user_failed" });
  const attempts = (await jobsOf(ids(60))).filter((job) => job.attempts > 0);
  expect(attempts.length).toBeLessThanOrEqual(19 + 20 + 10);
});
