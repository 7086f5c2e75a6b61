import { changeUser } from "./change-user.ts";
import { newUser } from "./new-user.ts";
import { drawTimes, type Scenario } from "./plan-scenario.ts";
import { createRandom } from "./random.ts";
import type { UserDraw, UserState } from "./user-state.ts";

/** Something that happened to a user at Clerk: what, when (Unix milliseconds), and the user after it. */
export type Happening = {
  type: "user.created" | "user.updated" | "user.deleted";
  at: number;
  user: UserState;
};

/** All that happened to one user, oldest first; never empty. */
export type History = readonly [Happening, ...Happening[]];

/** Draws all that happened to one user, oldest first: signed up, changed, perhaps deleted. */
export function drawHistory(scenario: Scenario, user: number): History {
  const draw = createDraw(scenario, user);
  const [createdAt = scenario.now, ...later] = drawTimes(scenario, user);
  // A sign-up takes a moment: Clerk's updated_at of user.created is a little after created_at.
  let state = newUser(draw, createdAt - draw.random.integer(1, 500));
  const history: [Happening, ...Happening[]] = [{ type: "user.created", at: createdAt, user: state }];

  const isDeleted = later.length > 0 && draw.random.chance(20);
  for (const [index, at] of later.entries()) {
    const isLast = index === later.length - 1;
    state = isLast && isDeleted ? state : changeUser(state, draw, at);
    history.push({ type: isLast && isDeleted ? "user.deleted" : "user.updated", at, user: state });
  }
  return history;
}

function createDraw(scenario: Scenario, user: number): UserDraw {
  return {
    key: `${scenario.key}/user/${user}`,
    tag: scenario.tag,
    number: user,
    random: createRandom(`${scenario.key}/history/${user}`),
  };
}

/** A bound on what is remembered of histories, in happenings: a few megabytes. */
const rememberedHappenings = 20_000;

/** Reads histories by user and remembers the last ones: without it a user of 10,000 events is drawn 10,000 times. */
export function createHistories(scenario: Scenario): (user: number) => History {
  const remembered = new Map<number, History>();
  let size = 0;
  return (user) => {
    const known = remembered.get(user);
    if (known !== undefined) return known;
    const history = drawHistory(scenario, user);
    if (size + history.length > rememberedHappenings) {
      remembered.clear();
      size = 0;
    }
    size += history.length;
    remembered.set(user, history);
    return history;
  };
}
