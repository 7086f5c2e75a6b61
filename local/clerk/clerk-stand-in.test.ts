import { afterAll, beforeAll, expect, it } from "vitest";
import { clerkIdOf, makeUsers } from "../../tests/support/clerk/make-users.ts";
import { createRateLimit } from "./limit-rate.ts";
import { type ClerkStandIn, startClerkStandIn } from "./start-clerk-stand-in.ts";

let clerk: ClerkStandIn;
beforeAll(async () => {
  clerk = await startClerkStandIn();
  clerk.users.fill(makeUsers(1200));
});
afterAll(() => clerk?.stop());

async function ask(query: string) {
  const response = await fetch(`${clerk.url}/v1/users${query}`, {
    headers: { authorization: `Bearer ${clerk.secretKey}` },
  });
  const body = await response.json();
  const ids = Array.isArray(body) ? body.map((user: { id: string }) => Number(user.id.slice(5))) : body;
  return { status: response.status, type: response.headers.get("content-type"), ids };
}

it("ten users come when no limit is given, the newest first, as bare application/json", async () => {
  const { status, type, ids } = await ask("");
  expect({ status, type }).toEqual({ status: 200, type: "application/json" });
  expect(ids).toEqual([1199, 1198, 1197, 1196, 1195, 1194, 1193, 1192, 1191, 1190]);
});

it("a limit of 500 is the largest; more is answered with ten users", async () => {
  expect((await ask("?limit=500")).ids).toHaveLength(500);
  expect((await ask("?limit=501")).ids).toHaveLength(10);
});

it("a cursor goes on after its user, in either direction of created_at", async () => {
  expect((await ask(`?limit=2&order_by=created_at&starting_after=${clerkIdOf(7)}`)).ids).toEqual([8, 9]);
  expect((await ask(`?limit=2&order_by=%2Bcreated_at&starting_after=${clerkIdOf(1198)}`)).ids).toEqual([1199]);
  expect((await ask(`?limit=2&starting_after=${clerkIdOf(7)}`)).ids).toEqual([6, 5]);
});

it.each(["order_by=updated_at", "offset=1"])("a cursor with %s is refused", async (parameter) => {
  const answer = await ask(`?starting_after=${clerkIdOf(7)}&${parameter}`);
  expect(answer).toMatchObject({ status: 422, ids: { errors: [{ code: "form_param_value_invalid" }] } });
});

it("of several orders the first counts", async () => {
  expect((await ask("?limit=1&order_by=created_at&order_by=-created_at")).ids).toEqual([0]);
});

it("a changed user comes first in the order of changes, a deleted one is gone", async () => {
  const changed = clerk.users.get(clerkIdOf(5));
  if (changed === undefined) throw new Error("no user 5");
  clerk.users.set(changed.id, { ...changed, updated_at: changed.updated_at + 10_000 });
  clerk.users.delete(clerkIdOf(1199));
  expect((await ask("?limit=2&order_by=-updated_at")).ids).toEqual([5, 1198]);
  expect((await ask("?limit=2&offset=1&order_by=-updated_at")).ids).toEqual([1198, 1197]);
  expect((await ask(`/count`)).ids).toEqual({ object: "total_count", total_count: 1199 });
});

it("user_id repeated picks users, unknown ones are ignored, 101 are refused", async () => {
  const { ids } = await ask(`?limit=100&user_id=${clerkIdOf(3)}&user_id=user_nobody&user_id=%2B${clerkIdOf(9)}`);
  expect(ids.toSorted()).toEqual([3, 9]);
  const many = Array.from({ length: 101 }, (_, place) => `user_id=${clerkIdOf(place)}`).join("&");
  expect((await ask(`?${many}`)).status).toBe(422);
});

it("created_at_after leaves out who was there before", async () => {
  const time = clerk.users.get(clerkIdOf(1197))?.created_at;
  expect((await ask(`?order_by=created_at&created_at_after=${time}`)).ids).toEqual([1198]);
});

it("more requests than the rate are told how long to wait", () => {
  let now = 0;
  const check = createRateLimit({ requests: 2, seconds: 10 }, () => now);
  expect([check(), check()]).toEqual([0, 0]);
  now = 1500;
  expect(check()).toBe(9);
  now = 10_000;
  expect([check(), check(), check()]).toEqual([0, 0, 10]);
});
