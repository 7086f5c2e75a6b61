import { drawTimes, eventsOf, type Scenario } from "./plan-scenario.ts";
import { createRandom, type Random } from "./random.ts";

/** In what order events are sent. */
export type DeliveryOrder = {
  /** Any order; otherwise the order in which things happened. */
  shuffle: boolean;
  /** Sends about a tenth of them again, at random later places. */
  duplicate: boolean;
};

/**
 * The numbers of the events in the order of their delivery; a repeated delivery is a repeated number. `times`: when the
 * events happened whose numbers come after those of the users.
 */
export function planDeliveries(scenario: Scenario, order: DeliveryOrder, times: readonly number[] = []): Uint32Array {
  const random = createRandom(`${scenario.key}/order`);
  const events = order.shuffle ? shuffle(scenario.events + times.length, random) : sortByTime(scenario, times);
  return order.duplicate ? repeatSome(events, random) : events;
}

function shuffle(count: number, random: Random): Uint32Array {
  const events = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const chosen = random.integer(0, last);
    [events[last], events[chosen]] = [events[chosen] ?? 0, events[last] ?? 0];
  }
  return events;
}

function sortByTime(scenario: Scenario, more: readonly number[]): Uint32Array {
  const times = new Float64Array(scenario.events + more.length);
  times.set(more, scenario.events);
  for (let user = 0; user < scenario.users; user += 1) {
    times.set(drawTimes(scenario, user), eventsOf(scenario, user)[0]);
  }
  const events = Uint32Array.from({ length: times.length }, (_, index) => index);
  return events.sort((left, right) => (times[left] ?? 0) - (times[right] ?? 0) || left - right);
}

function repeatSome(events: Uint32Array, random: Random): Uint32Array {
  const last = events.length - 1;
  const repeats = Array.from({ length: Math.max(1, Math.round(events.length / 10)) }, () => {
    const position = random.integer(0, last);
    return { event: events[position] ?? 0, after: random.integer(position, last) };
  }).sort((left, right) => left.after - right.after);

  const deliveries = new Uint32Array(events.length + repeats.length);
  let repeat = 0;
  for (const [position, event] of events.entries()) {
    deliveries[position + repeat] = event;
    for (; repeats[repeat]?.after === position; repeat += 1) {
      deliveries[position + repeat + 1] = repeats[repeat]?.event ?? 0;
    }
  }
  return deliveries;
}
