import { z } from "zod";
import { AuthError } from "./auth-error.ts";

/** As Go reads JSON into a struct: an absent field and null are the zero value, any other type is an error. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? "");
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const metadata = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((value) => value ?? undefined);

const userRequest = z.object({
  id: text,
  aud: text,
  role: text,
  email: text,
  phone: text,
  password: z
    .string()
    .nullish()
    .transform((value) => value ?? undefined),
  password_hash: text,
  email_confirm: flag,
  phone_confirm: flag,
  user_metadata: metadata,
  app_metadata: metadata,
  ban_duration: text,
});

const deleteRequest = z.object({ should_soft_delete: flag });

/** The fields of a create or update; "" means not sent. Source: AdminUserParams of GoTrue's admin.go. */
export type UserRequest = z.output<typeof userRequest>;

/** Parses the body of a create or update; throws 400 `bad_json`. */
export function parseUserRequest(body: string): UserRequest {
  return parseWith(userRequest, body);
}

/** True when the body of a delete asks for a soft delete; an empty body does not. Throws 400 `bad_json`. */
export function parseSoftDelete(body: string): boolean {
  return body !== "" && parseWith(deleteRequest, body).should_soft_delete;
}

function parseWith<T>(schema: z.ZodType<T>, body: string): T {
  const result = schema.safeParse(parseJson(body) ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw badJson(`json: cannot unmarshal field ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

function parseJson(body: string): unknown {
  if (body.trim() === "") throw badJson("unexpected end of JSON input");
  try {
    return JSON.parse(body, repairText);
  } catch {
    throw badJson("invalid JSON");
  }
}

/** Go replaces lone surrogates, which PostgreSQL would refuse. */
function repairText(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}

function badJson(reason: string): AuthError {
  return new AuthError(400, "bad_json", `Could not parse request body as JSON: ${reason}`);
}
