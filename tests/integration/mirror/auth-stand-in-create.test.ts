import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { type AuthCall, createAuthCall, keyOnly, mountAuthStandIn } from "../../support/supabase/call-auth-stand-in.ts";

let database: TestDatabase;
let call: AuthCall;

beforeAll(async () => {
  database = await createTestDatabase();
  call = createAuthCall(mountAuthStandIn(database));
});
afterAll(() => database.drop());
beforeEach(() => database.pool.query("delete from auth.users"));

const create = (body: unknown, headers?: Record<string, string>) => call("POST", "", body, headers);
const get = (id: string) => call("GET", `/${id}`);
const idOf = async (body: unknown): Promise<string> => (await create(body)).body.id;

test("a mirrored user is answered as GoTrue answers it, without confirmed_at until it is read again", async () => {
  const id = "0e4f3a52-8a4c-5d3e-9b61-2f1c0a9d7e55";
  const { status, headers, body } = await create({
    id: id.toUpperCase(),
    email: "Ada@Example.com",
    email_confirm: true,
    password_hash: `$2a$10$${"a".repeat(53)}`,
    app_metadata: { clerk_id: "user_1", provider: null },
    user_metadata: { full_name: "Ada", kept: null },
  });
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const nanoseconds = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z$/);
  expect(status).toBe(200);
  expect(headers.get("X-Supabase-Api-Version")).toBeNull();
  expect(body).toEqual({
    id,
    ...{ aud: "authenticated", role: "authenticated", email: "ada@example.com", phone: "", is_anonymous: false },
    ...{ email_confirmed_at: nanoseconds, created_at: time, updated_at: time },
    app_metadata: { clerk_id: "user_1", providers: ["email"] },
    user_metadata: { full_name: "Ada", kept: null, email_verified: true },
    identities: [
      {
        ...{ identity_id: expect.any(String), id, user_id: id, provider: "email", email: "ada@example.com" },
        identity_data: { email: "ada@example.com", email_verified: false, phone_verified: false, sub: id },
        ...{ last_sign_in_at: nanoseconds, created_at: time, updated_at: time },
      },
    ],
  });
  const read = (await get(id)).body;
  expect(read).toMatchObject({ email_confirmed_at: time, confirmed_at: read["email_confirmed_at"] });
});

test("a user with a phone only has an empty email and the provider phone", async () => {
  const { body } = await create({ phone: "+49 151 1234567", role: " editor ", ban_duration: "24h" });
  expect(body).toMatchObject({ email: "", phone: "491511234567", role: "editor", user_metadata: {} });
  expect(body.app_metadata).toEqual({ provider: "phone", providers: ["phone"] });
  expect(body.identities[0]?.identity_data).toMatchObject({ phone: "491511234567", phone_verified: false });
  const longer = Date.parse(body.banned_until) - Date.parse(body.created_at) - 86_400_000;
  expect(longer).toBeGreaterThan(0); // the ban is a later step
  expect(longer).toBeLessThan(1000);
});

test("a password that was not sent is stored as a well-formed hash", async () => {
  const id = await idOf({ email: "a@b.c" });
  const { rows } = await database.pool.query("select encrypted_password from auth.users where id = $1", [id]);
  expect(rows[0].encrypted_password).toMatch(/^\$2a\$10\$.{53}$/);
});

test("without metadata, a user with a hash is answered null and read as {}", async () => {
  const { body } = await create({ email: "a@b.c", password_hash: `$2a$10$${"a".repeat(53)}` });
  expect(body.user_metadata).toBeNull();
  expect((await get(body.id)).body.user_metadata).toEqual({});
});

test("a second create with the same email, in any case, is answered 422 email_exists before its id is looked at", async () => {
  await create({ email: "a@b.c" });
  const answer = await create({ email: "A@B.C", id: "no uuid" });
  expect(answer.status).toBe(422);
  expect(answer.headers.get("x-sb-error-code")).toBe("email_exists");
  expect(answer.headers.get("X-Supabase-Api-Version")).toBe("2024-01-01");
  const message = "A user with this email address has already been registered";
  expect(answer.body).toEqual({ code: "email_exists", message });
  const initial = await create({ email: "a@b.c" }, keyOnly);
  expect(initial.body).toEqual({ code: 422, error_code: "email_exists", msg: message });
});

test("the address of a single sign-on user is free", async () => {
  const id = await idOf({ email: "a@b.c" });
  await database.pool.query("update auth.users set is_sso_user = true where id = $1", [id]);
  await database.pool.query("update auth.identities set provider = 'sso:1' where user_id = $1", [id]);
  expect((await create({ email: "a@b.c" })).status).toBe(200);
});

test("a taken phone is answered 422 phone_exists", async () => {
  await create({ phone: "+4915112345" });
  expect(await create({ phone: "49 15112345" })).toMatchObject({ status: 422, body: { code: "phone_exists" } });
});

test("a taken id is answered 500, with PostgreSQL's error when no version is sent", async () => {
  const id = randomUUID();
  await create({ id, email: "a@b.c" });
  const { status, body } = await create({ id, email: "other@b.c" });
  expect(status).toBe(500);
  expect(body).toEqual({ code: "unexpected_failure", message: "Database error creating new user" });
  expect((await create({ id, email: "other@b.c" }, keyOnly)).body).toEqual({
    code: "23505",
    message: 'duplicate key value violates unique constraint "users_pkey"',
    detail: `Key (id)=(${id}) already exists.`,
  });
});

test("of ten creates with one email at the same time one succeeds and the others are 422 or 500", async () => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => create({ email: "race@b.c" })));
  const statuses = answers.map((answer) => answer.status).sort();
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.every((status) => [200, 422, 500].includes(status))).toBe(true);
});

test.each([
  [{}, 400, "validation_failed", "Cannot create a user without either an email or phone"],
  [{ email: "a" }, 400, "validation_failed", "Unable to validate email address: invalid format"],
  [{ email: "a@b.c", phone: "x" }, 400, "validation_failed", /^Invalid phone number format /],
  [{ email: "a@b.c", password: "", password_hash: "x" }, 400, "validation_failed", /^Only a password or/],
  [{ email: "a@b.c", password: "x".repeat(73) }, 500, "unexpected_failure", "Internal Server Error"],
  [{ email: "a@b.c", password_hash: "x", id: "y" }, 500, "unexpected_failure", "Error creating user"],
  [{ email: "a@b.c", id: "y", ban_duration: "z" }, 400, "validation_failed", /^ID must conform to the uuid v4 format$/],
  [{ email: "a@b.c", id: "0".repeat(32) }, 400, "validation_failed", "ID cannot be a nil uuid"],
  [{ email: "a@b.c", ban_duration: "1d" }, 400, "validation_failed", /^invalid format for ban duration: time: unknown/],
  [{ email: 1 }, 400, "bad_json", /^Could not parse request body as JSON: /],
  [{ email: "a@b.c", user_metadata: { a: "\u0000" } }, 500, "unexpected_failure", "Database error creating new user"],
  ["{", 400, "bad_json", /^Could not parse request body as JSON: /],
  ["null", 400, "validation_failed", "Cannot create a user without either an email or phone"],
])("%j is answered %d %s", async (request, status, code, message) => {
  const answer = await create(request);
  expect(answer.status).toBe(status);
  expect(answer.body).toEqual({ code, message: expect.stringMatching(message) });
  expect((await call("GET", "")).body.users).toEqual([]);
});

test("a body above 1 MB is answered 413 and one of 1 MB is read", async () => {
  const sized = (size: number) => JSON.stringify({ email: "a@b.c" }).padEnd(size);
  const { status, body } = await create(sized(1_048_577));
  const message = "Request body too large (max 1048576 bytes)";
  expect({ status, body }).toEqual({ status: 413, body: { code: "request_entity_too_large", message } });
  expect((await create(sized(1_048_576))).status).toBe(200);
});
