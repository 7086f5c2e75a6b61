import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { captureLog } from "../../support/processes/capture-log.ts";
import { authDown, type CircuitSystem, createCircuitSystem } from "../../support/systems/circuit-system.ts";

const userCount = 1000;
const outageSeconds = 3600;
const tickSeconds = 5;
/** A user who changes twice does so when the user this much further on changes. */
const lag = 50;
/** Five calls in a row open the circuit; nine more may be under way, in each of the two workers. */
const firstCalls = 2 * (5 + 9);
/** 24 + 48 + 96 + 192 s, and then every 240 s at the earliest. */
const mostProbes = 4 + Math.ceil((outageSeconds - 360) / 240);

let system: CircuitSystem;
beforeAll(async () => {
  system = await createCircuitSystem();
});
afterAll(() => system?.drop());

const nameOf = (user: number) => (user % 10 === 0 ? "Twice" : "Changed");
const change = (user: number, version: number, firstName: string) =>
  userEvent("user.updated", { id: `user_${user}`, version, firstName });

/** Two workers at once, as two processes have it. */
const workAtOnce = () => Promise.all([system.work(), system.work()]);

/** All users change within 50 minutes, every tenth of them twice. Returns how many rows were late by a tick. */
async function sufferOutage(): Promise<number> {
  let late = 0;
  let next = 0;
  for (let second = 0; second < outageSeconds; second += tickSeconds) {
    const until = Math.min(userCount + lag, Math.ceil(((second + tickSeconds) / 3000) * (userCount + lag)));
    const places = Array.from({ length: Math.max(0, until - next) }, (_, place) => next + place);
    next = until;
    const again = places.map((place) => place - lag).filter((user) => user >= 0 && user % 10 === 0);
    await system.sendNow(
      ...places.filter((user) => user < userCount).map((user) => change(user, 2, "Changed")),
      ...again.map((user) => change(user, 3, "Twice")),
    );
    await workAtOnce();
    late += (await countRows(["Changed", "Twice"])) === Math.min(next, userCount) ? 0 : 1;
    late += (await countRows(["Twice"])) === Math.ceil(Math.max(0, next - lag) / 10) ? 0 : 1;
    system.clock.seconds += tickSeconds;
  }
  return late;
}

async function countRows(names: readonly string[]): Promise<number> {
  const full = names.map((name) => `${name} Lovelace`);
  const row = await system.one("select count(*)::int as n from public.users where name = any ($1)", [full]);
  return Number(row?.["n"]);
}

async function readJobs() {
  return system.one(
    `select count(*)::int as jobs,
            count(*) filter (where status = 'COMPLETED')::int as completed,
            count(*) filter (where status = 'DEAD')::int as dead,
            max(attempts)::int as attempts,
            max(jsonb_array_length(history))::int as longest,
            sum(jsonb_array_length(history))::int as entries
     from public.job_queue`,
  );
}

it("an Auth outage of an hour costs no attempts and no events: rows at once, few calls, then all in step", async () => {
  const lines = await captureLog("info");
  await system.sendNow(...Array.from({ length: userCount }, (_, user) => change(user, 1, "Ada")));
  await workAtOnce();
  expect(await readJobs()).toMatchObject({ jobs: userCount, completed: userCount, attempts: 1, longest: 3 });
  const before = Number((await readJobs())?.["entries"]);

  system.auth.failure = authDown;
  expect(await sufferOutage()).toBe(0);
  expect(await system.circuit("auth")).toMatchObject({ state: "open", last_error: "auth_unavailable", waiting: 1100 });
  const calls = system.auth.callsInVain;
  expect(calls).toBeLessThanOrEqual(firstCalls + mostProbes);
  expect(calls).toBeGreaterThan(10);

  system.auth.failure = null;
  let rounds = 0;
  for (; (await readJobs())?.["completed"] !== userCount + 1100; rounds++) {
    system.clock.seconds += 60;
    await workAtOnce();
    if (rounds > 10) break;
  }
  const after = await readJobs();
  console.log(`${calls} calls in an hour of outage, all in step ${rounds} min later: ${JSON.stringify(after)}`);
  expect(after).toMatchObject({ completed: userCount + 1100, dead: 0 });
  expect(after?.["attempts"]).toBeLessThanOrEqual(2);
  // Three entries a job, as without an outage, and two more a call in vain, whichever jobs these met.
  expect(Number(after?.["entries"]) - before).toBeLessThanOrEqual(3 * 1100 + 2 * calls);
  expect(after?.["longest"]).toBeLessThanOrEqual(3 + 2 * 5);
  expect(await system.circuit("auth")).toMatchObject({ state: "closed", waiting: 0 });
  for (let user = 0; user < userCount; user++) {
    const mirror = [...system.users.values()].find(({ app_metadata }) => app_metadata["clerk_id"] === `user_${user}`);
    expect(mirror?.user_metadata).toMatchObject({ full_name: `${nameOf(user)} Lovelace` });
  }
  const events = lines.map(({ text }) => JSON.parse(text)).filter(({ event }) => event.startsWith("circuit."));
  expect(events.map(({ event }) => event)).toEqual(["circuit.opened", "circuit.closed"]);
});
