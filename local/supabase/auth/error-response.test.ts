import pg from "pg";
import { expect, test } from "vitest";
import { AuthError } from "./auth-error.ts";
import { errorResponse } from "./error-response.ts";

const emailExists = new AuthError(422, "email_exists", "taken");

function refusedBy(sqlState: string): AuthError {
  const cause = new pg.DatabaseError('duplicate key value violates unique constraint "users_pkey"', 0, "error");
  Object.assign(cause, { code: sqlState, detail: "Key (id)=(x) already exists." });
  return new AuthError(500, "unexpected_failure", "Database error creating new user", { cause });
}

test.each(["2024-01-01", "2026-10-01"])("version %s gets code and message, and its version echoed", async (version) => {
  const response = errorResponse(emailExists, version);
  expect(response.status).toBe(422);
  expect(response.headers.get("X-Supabase-Api-Version")).toBe("2024-01-01");
  expect(response.headers.get("x-sb-error-code")).toBe("email_exists");
  expect(await response.json()).toEqual({ code: "email_exists", message: "taken" });
});

test.each([undefined, "", "2023-12-31", "2024-13-01", "2024-02-30", "tomorrow"])(
  "version %s gets the initial shape and no echo",
  async (version) => {
    const response = errorResponse(emailExists, version);
    expect(response.headers.get("X-Supabase-Api-Version")).toBeNull();
    expect(response.headers.get("x-sb-error-code")).toBe("email_exists");
    expect(await response.json()).toEqual({ code: 422, error_code: "email_exists", msg: "taken" });
  },
);

test("a unique violation shows PostgreSQL's own error only to callers without version", async () => {
  const initial = errorResponse(refusedBy("23505"), undefined);
  expect(initial.status).toBe(500);
  expect(await initial.json()).toEqual({
    code: "23505",
    message: 'duplicate key value violates unique constraint "users_pkey"',
    detail: "Key (id)=(x) already exists.",
  });
  expect(await errorResponse(refusedBy("23505"), "2024-01-01").json()).toEqual({
    code: "unexpected_failure",
    message: "Database error creating new user",
  });
});

test("another database error keeps its reason to itself and carries an error id", async () => {
  const body = await errorResponse(refusedBy("22P05"), undefined).json();
  expect(body).toEqual({
    code: 500,
    error_code: "unexpected_failure",
    msg: "Database error creating new user",
    error_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test("a database function picks the status with PTxxx", () => {
  expect(errorResponse(refusedBy("PT418"), undefined).status).toBe(418);
});

test("a weak password carries its reasons", async () => {
  const weak = new AuthError(422, "weak_password", "short", { weakPasswordReasons: ["length"] });
  const body = await errorResponse(weak, "2024-01-01").json();
  expect(body).toEqual({ code: "weak_password", message: "short", weak_password: { reasons: ["length"] } });
});

test("anything unforeseen is 500 and does not say what it was", async () => {
  const body = await errorResponse(new Error("secret"), "2024-01-01").json();
  expect(body).toEqual({
    code: "unexpected_failure",
    message: "Unexpected failure, please check server logs for more information",
  });
});
