import { at, userEvent } from "./build-event.ts";

/** The id of a user of a made-up instance. */
export function clerkIdOf(place: number): string {
  return `user_${String(place).padStart(7, "0")}`;
}

/** User number `place` of a made-up instance, who signed up after those with smaller numbers. */
export function makeUser(place: number, facts: Partial<Parameters<typeof userEvent>[1]> = {}) {
  const { data } = userEvent("user.created", { id: clerkIdOf(place), version: place, ...facts });
  return { ...data, created_at: at(place) };
}

/** The first `count` users of a made-up instance. */
export function* makeUsers(count: number) {
  for (let place = 0; place < count; place++) yield makeUser(place);
}
