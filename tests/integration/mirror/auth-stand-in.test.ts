import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ServerType, serve } from "@hono/node-server";
import { createClient } from "@supabase/supabase-js";
import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import {
  type AuthCall,
  createAuthCall,
  keyOnly,
  mountAuthStandIn,
  secretKey,
  versioned,
} from "../../support/supabase/call-auth-stand-in.ts";

let database: TestDatabase;
let app: Hono;
let call: AuthCall;

beforeAll(async () => {
  database = await createTestDatabase();
  app = mountAuthStandIn(database);
  call = createAuthCall(app);
});
afterAll(() => database.drop());
beforeEach(() => database.pool.query("delete from auth.users"));

const create = (body: unknown, headers?: Record<string, string>) => call("POST", "", body, headers);
const update = (id: string, body: unknown, headers?: Record<string, string>) => call("PUT", `/${id}`, body, headers);
const get = (id: string) => call("GET", `/${id}`);
const idOf = async (body: unknown): Promise<string> => (await create(body)).body.id;

describe("who may call", () => {
  test.each([
    ["no apikey", {}, 401, "No API key found in request"],
    ["a wrong apikey", { apikey: "sb_secret_wrong" }, 401, "Invalid API key"],
    ["the key as Bearer only", { Authorization: `Bearer ${secretKey}` }, 401, "No API key found in request"],
  ])("%s is refused by the gateway", async (_title, headers, status, message) => {
    expect(await call("GET", "", undefined, headers)).toMatchObject({ status, body: { message } });
  });

  test.each([
    ["a Bearer that starts with sb_", "Bearer sb_secret_other", 200, undefined],
    ["a token nobody signed", "Bearer a.b.c", 403, "bad_jwt"],
    ["another scheme", "Basic eA==", 401, "no_authorization"],
  ])("beside the apikey, %s is answered as by GoTrue", async (_title, Authorization, status, code) => {
    const answer = await call("GET", "", undefined, { ...versioned, Authorization });
    expect(answer.status).toBe(status);
    expect(answer.body.code).toBe(code);
  });
});

describe("update", () => {
  test("metadata is merged at the top level and null deletes a key", async () => {
    const id = await idOf({ email: "a@b.c", user_metadata: { keep: 1, drop: 2, deep: { x: 1 } } });
    const { body } = await update(id, {
      user_metadata: { drop: null, deep: { y: 2 } },
      app_metadata: { role: "admin" },
    });
    expect(body.user_metadata).toEqual({ keep: 1, deep: { y: 2 } });
    expect(body.app_metadata).toEqual({ provider: "email", providers: ["email"], role: "admin" });
    expect((await get(id)).body).toEqual(body);
  });

  test("id, aud, password_hash, empty contacts and a false confirmation change nothing", async () => {
    const { id } = (await create({ email: "a@b.c", email_confirm: true })).body;
    const before = (await get(id)).body;
    const ignored = { id: randomUUID(), aud: "x", password_hash: "x", email: "", phone: "", email_confirm: false };
    expect((await update(id, ignored)).body).toEqual(before);
    expect((await get(id)).body).toEqual(before);
  });

  test("a new email is in force at once, while the answer still shows the identity as it was", async () => {
    const id = await idOf({ email: "old@b.c" });
    const { body } = await update(id, { email: "New@b.c", email_confirm: true, phone: "+4915112345" });
    expect(body).toMatchObject({ email: "new@b.c", phone: "4915112345", user_metadata: { email_verified: true } });
    expect(body.identities.map((one) => one.email)).toEqual(["old@b.c", undefined]);
    const [identity] = (await get(id)).body.identities;
    expect(identity?.identity_data).toMatchObject({ email: "new@b.c", email_verified: true });
    expect((await create({ email: "old@b.c" })).status).toBe(200);
  });

  test("an email another user holds is answered 500 and changes nothing", async () => {
    await create({ email: "taken@b.c" });
    const id = await idOf({ email: "a@b.c" });
    const before = (await get(id)).body;
    const refused = { status: 500, body: { code: "unexpected_failure", message: "Error updating user" } };
    expect(await update(id, { email: "taken@b.c" })).toMatchObject(refused);
    const initial = await update(id, { email: "taken@b.c" }, keyOnly);
    expect(initial.body).toMatchObject({ code: "23505", detail: "Key (email)=(taken@b.c) already exists." });
    expect(initial.body.message).toContain('"users_email_partial_key"');
    expect((await get(id)).body).toEqual(before);
  });

  test("a ban ends with none", async () => {
    const id = await idOf({ email: "a@b.c", ban_duration: "876000h" });
    expect((await get(id)).body.banned_until).toMatch(/^21/);
    await update(id, { ban_duration: "none" });
    expect((await get(id)).body.banned_until).toBeUndefined();
  });

  test("a short password is answered 422 weak_password", async () => {
    const id = await idOf({ email: "a@b.c" });
    const answer = await update(id, { password: "12345" });
    expect(answer).toMatchObject({
      status: 422,
      body: { code: "weak_password", weak_password: { reasons: ["length"] } },
    });
  });
});

describe("delete", () => {
  test("a second delete is answered 404 and the email is free again", async () => {
    const id = await idOf({ email: "a@b.c" });
    expect(await call("DELETE", `/${id}`)).toMatchObject({ status: 200, body: {} });
    expect(await call("DELETE", `/${id}`)).toMatchObject({ status: 404, body: { code: "user_not_found" } });
    expect((await create({ id, email: "a@b.c" })).status).toBe(200);
  });

  test("a soft delete keeps the id, frees the email, empties the rest and may be repeated", async () => {
    const id = await idOf({ email: "a@b.c", user_metadata: { full_name: "Ada" } });
    expect((await call("DELETE", `/${id}`, { should_soft_delete: true })).body).toEqual({});
    const { body } = await get(id);
    expect(body).toMatchObject({ app_metadata: {}, user_metadata: {}, deleted_at: expect.any(String) });
    expect(body.email).toMatch(/^[\w-]{43}$/);
    expect(body.phone).toMatch(/^[\w-]{15}$/);
    expect(body.identities[0]?.id).toMatch(/^[\w-]{43}$/);
    expect((await call("DELETE", `/${id}`, { should_soft_delete: true })).status).toBe(200);
    expect((await get(id)).body).toEqual(body);
    expect((await create({ id, email: "a@b.c" })).status).toBe(500);
    expect((await create({ email: "a@b.c" })).status).toBe(200);
  });

  test("a row that points at the user makes a delete 500", async () => {
    const id = await idOf({ email: "a@b.c" });
    await database.pool.query("create table holder (id uuid references auth.users (id))");
    await database.pool.query("insert into holder values ($1)", [id]);
    const refused = { status: 500, body: { message: "Database error deleting user" } };
    expect(await call("DELETE", `/${id}`)).toMatchObject(refused);
    expect((await call("DELETE", `/${id}`, undefined, keyOnly)).body.code).toBe("23503");
    await database.pool.query("drop table holder");
  });
});

test.each(["GET", "PUT", "DELETE"])("%s tells an id that is no UUID from a user that is not there", async (method) => {
  const body = method === "PUT" ? "not read" : undefined;
  const malformed = { code: "validation_failed", message: "user_id must be an UUID" };
  const { headers: _, ...answer } = await call(method, "/user_2abc", body);
  expect(answer).toEqual({ status: 404, body: malformed });
  const unknown = { status: 404, body: { code: "user_not_found", message: "User not found" } };
  expect(await call(method, `/${randomUUID()}`, body)).toMatchObject(unknown);
});

test("a list pages, sorts, counts and filters with LIKE", async () => {
  for (const email of ["one@b.c", "two@b.c", "a_x@b.c"]) await create({ email });
  await create({ email: "four@b.c", user_metadata: { full_name: "Grace Hopper" } });
  const emails = async (query: string) =>
    (await call("GET", `?${query}`)).body.users.map((user: { email: string }) => user.email);
  const page = await call("GET", "?page=1&per_page=3");
  expect(page.body).toMatchObject({ aud: "authenticated", users: [{ identities: null }, {}, {}] });
  expect(page.headers.get("X-Total-Count")).toBe("4");
  expect(page.headers.get("Link")).toContain('</admin/users?page=2&per_page=3>; rel="next"');
  expect(await emails("sort=created_at asc&per_page=1")).toEqual(["one@b.c"]);
  expect(await emails("page=2&per_page=3")).toEqual(["one@b.c"]);
  expect(await emails("filter=hopper")).toEqual(["four@b.c"]);
  expect(await emails("filter=TWO")).toEqual([]);
  expect(await emails("filter=n_@&sort=created_at asc")).toEqual(["one@b.c"]);
  expect(await call("GET", "?page=x")).toMatchObject({ status: 400, body: { code: "validation_failed" } });
});

test("supabase-js drives it unmodified over HTTP", async () => {
  let server: ServerType | undefined;
  const port = await new Promise<number>((resolve) => {
    server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, (address) => resolve(address.port));
  });
  const { admin } = createClient(`http://127.0.0.1:${port}`, secretKey).auth;
  const id = randomUUID();
  const created = await admin.createUser({ id, email: "a@b.c", email_confirm: true });
  expect(created.data.user?.id).toBe(id);
  const again = await admin.createUser({ id, email: "a@b.c" });
  expect(again.error).toMatchObject({ name: "AuthApiError", status: 422, code: "email_exists" });
  const sameId = await admin.createUser({ id, email: "z@b.c" });
  expect(sameId.error).toMatchObject({ name: "AuthRetryableFetchError", status: 500 });
  const updated = await admin.updateUserById(id, { user_metadata: { full_name: "Ada" }, phone: "+4915112345" });
  expect(updated.data.user).toMatchObject({ phone: "4915112345", user_metadata: { full_name: "Ada" } });
  const listed = await admin.listUsers({ page: 1, perPage: 1 });
  expect(listed.data).toMatchObject({ total: 1, users: [{ id }] });
  expect((await admin.deleteUser(id)).error).toBeNull();
  expect((await admin.deleteUser(id)).error).toMatchObject({ status: 404, code: "user_not_found" });
  server?.close();
});

test("the schema can be applied again and leaves its users alone", async () => {
  const id = await idOf({ email: "a@b.c" });
  const sql = await readFile(new URL("../../../local/supabase/auth/schema.sql", import.meta.url), "utf8");
  await database.pool.query(sql);
  expect((await get(id)).status).toBe(200);
  const { rows } = await database.pool.query("select obj_description('auth.users'::regclass) as comment");
  expect(rows).toEqual([{ comment: "clerk-supabase-sync local stand-in" }]);
});
