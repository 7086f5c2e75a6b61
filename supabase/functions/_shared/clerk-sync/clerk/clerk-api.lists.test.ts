import { expect, test } from "vitest";
import { fixtureBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { createClerkApi } from "./clerk-api.ts";

const { data } = JSON.parse(new TextDecoder().decode(fixtureBytes("user.created")));

/** A client that gets these answers one after the other; the queries it asked for. */
function clientOver(...answers: { status?: number; body: unknown }[]) {
  const queries: string[] = [];
  const log: string[] = [];
  const api = createClerkApi({
    secretKey: "sk_test_secret",
    apiUrl: "http://clerk.test",
    fetch: async (url) => {
      queries.push(String(url).replace("http://clerk.test/v1", ""));
      const { status = 200, body } = answers[Math.min(queries.length, answers.length) - 1] ?? { body: null };
      return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
    },
    takeRequest: async () => void log.push("taken"),
    retry: (work) => work().catch(work),
  });
  return { api, queries, log };
}

test("pages are asked for in the order of sign-up, by cursor and not by offset", async () => {
  const { api, queries } = clientOver({ body: [data] });
  expect(await api.listUsers()).toMatchObject({ users: [{ user: { id: data.id } }], last: { id: data.id } });
  await api.listUsers({ id: "user_a" });
  await api.listUsers({ createdAfter: 1_763_900_000_000 });
  expect(queries).toEqual([
    "/users?limit=500&order_by=%2Bcreated_at",
    "/users?limit=500&order_by=%2Bcreated_at&starting_after=user_a",
    "/users?limit=500&order_by=%2Bcreated_at&created_at_after=1763900000000",
  ]);
});

test("recent changes are asked for newest first", async () => {
  const { api, queries } = clientOver({ body: [] });
  await api.listRecentlyUpdated({ offset: 450, limit: 500 });
  expect(queries).toEqual(["/users?limit=500&offset=450&order_by=-updated_at"]);
});

test("users of known ids are asked for in one request", async () => {
  const { api, queries } = clientOver({ body: [data] });
  await api.readUsers(["user_a", "user_b"]);
  expect(queries).toEqual(["/users?limit=100&user_id=user_a&user_id=user_b"]);
});

test("an id that Clerk refuses costs the others of its batch nothing", async () => {
  const queries: string[][] = [];
  const api = createClerkApi({
    secretKey: "sk_test_secret",
    apiUrl: "http://clerk.test",
    fetch: async (url) => {
      const ids = new URL(String(url)).searchParams.getAll("user_id");
      queries.push(ids);
      if (ids.includes("odd"))
        return Response.json({ errors: [{ code: "form_param_value_invalid" }] }, { status: 422 });
      return Response.json(ids.map((id) => ({ ...data, id })));
    },
  });
  const ids = ["user_a", "user_b", "user_c", "odd", "user_d"];
  const { users, unreadable } = await api.readUsers(ids);
  expect(users.map(({ user }) => user.id)).toEqual(["user_a", "user_b", "user_c", "user_d"]);
  expect(unreadable).toEqual(["odd"]);
  expect(queries).toHaveLength(5);
});

test("the count is a number", async () => {
  expect(await clientOver({ body: { object: "total_count", total_count: 7 } }).api.countUsers()).toBe(7);
  await expect(clientOver({ body: { total_count: "7" } }).api.countUsers()).rejects.toMatchObject({
    code: "clerk_unavailable",
  });
});

test("a list that is said not to exist is an outage, not an empty instance", async () => {
  const gone = { status: 404, body: { errors: [{ code: "resource_not_found" }] } };
  await expect(clientOver(gone).api.listUsers()).rejects.toMatchObject({ code: "clerk_unavailable" });
  await expect(clientOver(gone).api.listUsers({ id: "user_gone" })).rejects.toMatchObject({ code: "clerk_rejected" });
  await expect(clientOver(gone).api.readUsers(["user_a"])).rejects.toMatchObject({ code: "clerk_unavailable" });
  await expect(clientOver(gone).api.countUsers()).rejects.toMatchObject({ code: "clerk_unavailable" });
});

test("every attempt takes a request from the rate, also one that repeats", async () => {
  const { api, queries, log } = clientOver({ status: 502, body: "<html>" }, { body: [] });
  await api.listUsers();
  expect(queries).toHaveLength(2);
  expect(log).toEqual(["taken", "taken"]);
});

test("a body that breaks off is tried again", async () => {
  const { api } = clientOver({ body: { not: "a list" } }, { body: [data] });
  expect((await api.listUsers()).users).toHaveLength(1);
});
