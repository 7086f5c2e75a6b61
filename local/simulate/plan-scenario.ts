import { createRandom, drawTag } from "./random.ts";

/** Who there is and how many events each has; everything else follows from it, one user at a time. */
export type Scenario = {
  /** Names every stream and id of the run, so that another seed or size shares none with it. */
  key: string;
  /** Stands for the key in email addresses. */
  tag: string;
  /** Unix milliseconds before which everything happened. */
  now: number;
  events: number;
  users: number;
  /** The user of each event. The events of one user are neighbours, oldest first. */
  ownerOf: Uint32Array;
  /** The first event of each user, and after the last user the number of events. */
  firstEventOf: Uint32Array;
};

const hour = 3_600_000;

/** Gives each of the users one event and the others to users drawn at random. */
export function planScenario(run: { seed: number; count: number; users: number; now: number }): Scenario {
  const key = `${run.seed}/${run.count}/${run.users}`;
  const random = createRandom(`${key}/sizes`);
  const sizes = new Uint32Array(run.users).fill(1);
  for (let extra = run.users; extra < run.count; extra += 1) {
    const user = random.integer(0, run.users - 1);
    sizes[user] = (sizes[user] ?? 0) + 1;
  }
  const scenario = { key, tag: drawTag(key), now: run.now, events: run.count, users: run.users };
  return { ...scenario, ...numberEvents(sizes, run.count) };
}

function numberEvents(sizes: Uint32Array, count: number): Pick<Scenario, "ownerOf" | "firstEventOf"> {
  const ownerOf = new Uint32Array(count);
  const firstEventOf = new Uint32Array(sizes.length + 1);
  let next = 0;
  for (const [user, size] of sizes.entries()) {
    firstEventOf[user] = next;
    ownerOf.fill(user, next, next + size);
    next += size;
  }
  firstEventOf[sizes.length] = next;
  return { ownerOf, firstEventOf };
}

/** The numbers of a user's events, oldest first. */
export function eventsOf(scenario: Scenario, user: number): number[] {
  const first = scenario.firstEventOf[user] ?? 0;
  const end = scenario.firstEventOf[user + 1] ?? first;
  return Array.from({ length: end - first }, (_, index) => first + index);
}

/** When the events of a user happened: strictly increasing Unix milliseconds of the day before `now`. */
export function drawTimes(scenario: Scenario, user: number): number[] {
  const random = createRandom(`${scenario.key}/times/${user}`);
  const events = eventsOf(scenario, user);
  const age = random.integer(hour, 24 * hour);
  const longestStep = Math.max(1, Math.floor(age / (events.length + 1)));
  let time = scenario.now - age;
  return events.map(() => {
    time += random.integer(1, longestStep);
    return time;
  });
}
