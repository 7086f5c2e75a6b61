import { expect, test } from "vitest";
import { drawHistory } from "./draw-history.ts";
import { planDeliveries } from "./plan-deliveries.ts";
import { drawTimes, eventsOf, planScenario } from "./plan-scenario.ts";

const run = { seed: 7, count: 300, users: 100, now: Date.UTC(2026, 10, 24) };

test("every user has at least one event and all events have an owner", () => {
  const scenario = planScenario(run);
  const events = Array.from({ length: run.users }, (_, user) => eventsOf(scenario, user));
  expect(events.every((own) => own.length > 0)).toBe(true);
  expect(events.flat()).toEqual(Array.from({ length: run.count }, (_, event) => event));
  for (const [user, own] of events.entries()) expect(own.every((event) => scenario.ownerOf[event] === user)).toBe(true);
});

test("the times of a user strictly increase within the day before now, however many there are", () => {
  for (const shape of [run, { ...run, count: 50_000, users: 1 }]) {
    const times = drawTimes(planScenario(shape), 0);
    expect(times.every((time, index) => index === 0 || time > (times[index - 1] ?? 0))).toBe(true);
    expect(times[0]).toBeGreaterThan(run.now - 24 * 3_600_000);
    expect(times.at(-1)).toBeLessThan(run.now);
  }
});

test("without shuffle events are delivered in the order in which they happened", () => {
  const scenario = planScenario(run);
  const times = Array.from({ length: run.users }, (_, user) => drawTimes(scenario, user)).flat();
  const deliveries = planDeliveries(scenario, { shuffle: false, duplicate: false });
  const delivered = Array.from(deliveries, (event) => times[event] ?? 0);
  expect(delivered).toEqual(times.toSorted((left, right) => left - right));
});

test("with shuffle every event is delivered once and users' events arrive out of order", () => {
  const deliveries = planDeliveries(planScenario(run), { shuffle: true, duplicate: false });
  expect(Array.from(deliveries).toSorted((left, right) => left - right)).toEqual(
    Array.from({ length: run.count }, (_, event) => event),
  );
  expect(Array.from(deliveries)).not.toEqual(Array.from(deliveries).toSorted((left, right) => left - right));
});

test("with duplicate a tenth is delivered again, after its first delivery and with nothing left out", () => {
  for (const count of [1, 7, 300]) {
    const scenario = planScenario({ ...run, count, users: 1 });
    const plain = planDeliveries(scenario, { shuffle: false, duplicate: false });
    const deliveries = planDeliveries(scenario, { shuffle: false, duplicate: true });
    expect(deliveries.length - count).toBe(Math.max(1, Math.round(count / 10)));
    expect([...new Set(deliveries)]).toEqual([...plain]);
  }
});

test("the same seed gives the same ids and order at another time of day", () => {
  const order = { shuffle: false, duplicate: true };
  const [early, late] = [planScenario(run), planScenario({ ...run, now: run.now + 12_345 })];
  expect(planDeliveries(early, order)).toEqual(planDeliveries(late, order));
  expect(drawHistory(early, 3).map(({ user }) => user.id)).toEqual(drawHistory(late, 3).map(({ user }) => user.id));
});
