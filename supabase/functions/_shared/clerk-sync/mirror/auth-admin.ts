import { z } from "zod";
import { errorMessage, SyncError } from "../errors.ts";
import { readRetryAfter } from "../http/retry-after.ts";
import type { Json } from "../sanitise.ts";

/** What is written to an Auth user; field names are those of the Auth server's admin routes. */
export type AuthUserInput = {
  id?: string;
  email?: string;
  email_confirm?: true;
  phone?: string;
  phone_confirm?: true;
  /** Taken on update as well, where it ends all sessions and empties all links that were mailed. */
  password?: string;
  /** Taken on create only. */
  password_hash?: string;
  role?: string;
  ban_duration?: string;
  app_metadata?: { [key: string]: Json };
  user_metadata?: { [key: string]: Json };
};

const authUserSchema = z.object({
  id: z.guid(),
  email: z.string().nullish(),
  phone: z.string().nullish(),
  app_metadata: z.record(z.string(), z.unknown()).catch({}),
  user_metadata: z.record(z.string(), z.unknown()).optional().catch({}),
  /** Pending changes, until they are confirmed. */
  new_email: z.string().nullish(),
  new_phone: z.string().nullish(),
  email_confirmed_at: z.string().nullish(),
  last_sign_in_at: z.string().nullish(),
  banned_until: z.string().nullish(),
  is_anonymous: z.boolean().nullish(),
  /** Null in lists. */
  identities: z.array(z.object({ provider: z.string() })).nullish(),
  /** Set by a soft deletion, which empties the metadata; the id cannot be used again. */
  deleted_at: z.string().nullish(),
});

export type AuthUser = z.infer<typeof authUserSchema>;

/**
 * An answer of the Auth server: the user, or why not. `code` is its error code or a SQLSTATE; `constraint` is the one
 * that a 23505 names.
 */
export type AuthAnswer =
  | { ok: true; user: AuthUser }
  | { ok: false; status: number; code: string; constraint?: string | undefined };

/** The door to Supabase Auth's admin routes (`/auth/v1/admin/users`). */
export type AuthAdmin = {
  createUser: (input: AuthUserInput) => Promise<AuthAnswer>;
  getUser: (id: string) => Promise<AuthAnswer>;
  updateUser: (id: string, input: AuthUserInput) => Promise<AuthAnswer>;
  deleteUser: (id: string) => Promise<AuthAnswer>;
  /** Removes the factors and passkeys of a user; nothing when there is no such user. */
  removeFactors: (id: string) => Promise<void>;
  /** Whether a user or an identity of the default audience holds the address; nothing is written. */
  isEmailTaken: (email: string) => Promise<boolean>;
  /** The users whose email contains the text; at most 1,000. */
  findUsers: (emailPart: string) => Promise<AuthUser[]>;
  /** A page of all users, the oldest first; pages count from 1, and shift while users are deleted. Empty after the end. */
  listUsers: (page: number, perPage: number) => Promise<AuthUser[]>;
  /** The same door, every call of which ends when the signal is given. */
  until: (signal: AbortSignal) => AuthAdmin;
};

type AuthAdminOptions = {
  supabaseUrl: string;
  secretKey: string;
  fetch?: typeof fetch;
  timeoutMilliseconds?: number;
  /** Ends every call that is under way, and any later one. */
  signal?: AbortSignal;
};

type Call = (method: string, path: string, body?: unknown) => Promise<Response>;

/**
 * Makes the door. It speaks HTTP itself because supabase-js hides what is needed: it turns every 5xx into a
 * retryable error without a code, and a taken email on update is a 500 whose SQLSTATE only shows without the
 * version header (supabase/auth, internal/api/errors.go).
 * Every method throws SyncError: `auth_unavailable` (network, timeout, 5xx without a reason), `auth_rate_limited`
 * with retryAfterSeconds, `auth_unauthorized`.
 */
export function createAuthAdmin(options: AuthAdminOptions): AuthAdmin {
  const call = createCall(options);
  const asAnswer = async (response: Response): Promise<AuthAnswer> =>
    response.ok ? { ok: true, user: await readAs(authUserSchema, response) } : readFailure(response);
  return {
    createUser: async (input) => asAnswer(await call("POST", "", input)),
    getUser: async (id) => asAnswer(await call("GET", `/${id}`)),
    updateUser: async (id, input) => asAnswer(await call("PUT", `/${id}`, input)),
    deleteUser: async (id) => {
      const response = await call("DELETE", `/${id}`);
      return response.ok ? { ok: true, user: { id, app_metadata: {} } } : readFailure(response);
    },
    removeFactors: async (id) => {
      await removeAll(call, `/${id}/factors`);
      await removeAll(call, `/${id}/passkeys`);
    },
    isEmailTaken: async (email) => {
      const response = await call("POST", "", { email, ...refusedPasswords });
      const answer = await readFailure(response);
      return !answer.ok && answer.code === "email_exists";
    },
    findUsers: async (emailPart) =>
      readList(await call("GET", `?per_page=1000&filter=${encodeURIComponent(emailPart)}`)),
    listUsers: async (page, perPage) =>
      readList(
        await call(
          "GET",
          `?${new URLSearchParams({ page: `${page}`, per_page: `${perPage}`, sort: "created_at asc" })}`,
        ),
      ),
    until: (signal) => createAuthAdmin({ ...options, signal }),
  };
}

/**
 * A password and a hash together are refused after the address was looked up (supabase/auth, internal/api/admin.go,
 * adminUserCreate): a create that says whether the address is taken and never creates.
 */
const refusedPasswords = { id: "none", password: "never-set", password_hash: "never-set" };

const listedSchema = z.array(z.object({ id: z.string() })).nullable();

/** Servers from before passkeys have no such route, and the list of a user without factors is null. */
async function removeAll(call: Call, path: string): Promise<void> {
  const response = await call("GET", path);
  if (response.status === 404) return;
  if (!response.ok) throw unavailable(response.status);
  for (const { id } of (await readAs(listedSchema, response)) ?? []) {
    const removed = await call("DELETE", `${path}/${id}`);
    if (!removed.ok && removed.status !== 404) throw unavailable(removed.status);
  }
}

async function readList(response: Response): Promise<AuthUser[]> {
  if (!response.ok) throw unavailable(response.status);
  return (await readAs(z.object({ users: z.array(authUserSchema) }), response)).users;
}

function createCall(options: AuthAdminOptions): Call {
  const send = options.fetch ?? fetch;
  const headers = {
    apikey: options.secretKey,
    authorization: `Bearer ${options.secretKey}`,
    "content-type": "application/json",
  };
  return async (method, path, body) => {
    const response = await send(`${options.supabaseUrl}/auth/v1/admin/users${path}`, {
      method,
      headers,
      redirect: "error",
      signal: limitTime(options),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new SyncError("auth_unavailable", `Supabase Auth cannot be reached: ${errorMessage(cause)}`, {
        retryable: true,
        cause,
      });
    });
    if (response.status === 429) throw rateLimited(response);
    if (response.status === 401 || response.status === 403) throw unauthorized(response.status);
    return response;
  };
}

function limitTime({ timeoutMilliseconds = 10_000, signal }: AuthAdminOptions): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMilliseconds);
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
}

const failureSchema = z.object({
  error_code: z.string().optional(),
  code: z.union([z.string(), z.number()]).optional(),
  message: z.string().optional().catch(undefined),
});

/** The Auth server's own codes say what is wrong; a 5xx without one says only that it failed. */
async function readFailure(response: Response): Promise<AuthAnswer> {
  const body = failureSchema.safeParse(await response.json().catch(() => null));
  const code = body.success ? String(body.data.error_code ?? body.data.code ?? "") : "";
  const isReason = /^[a-z_]+$|^[0-9A-Z]{5}$/.test(code) && code !== "unexpected_failure" && code !== "request_timeout";
  if (response.status >= 500 && !isReason) throw unavailable(response.status);
  const constraint = code === "23505" ? constraintOf(body.data?.message) : undefined;
  const answer = { ok: false as const, status: response.status, code: isReason ? code : `http_${response.status}` };
  return constraint === undefined ? answer : { ...answer, constraint };
}

/** PostgreSQL quotes the name, in some languages with other marks. */
function constraintOf(message: string | undefined): string | undefined {
  return /["»„“«]\s*([^"»„“”«]+?)\s*["»“”«]/u.exec(message ?? "")?.[1];
}

async function readAs<Output>(schema: z.ZodType<Output>, response: Response): Promise<Output> {
  try {
    return schema.parse(await response.json());
  } catch (cause) {
    throw new SyncError("auth_unavailable", "Supabase Auth answered in an unknown form.", { retryable: true, cause });
  }
}

function unavailable(status: number): SyncError {
  return new SyncError("auth_unavailable", `Supabase Auth answered ${status}.`, { retryable: true });
}

function rateLimited(response: Response): SyncError {
  return new SyncError("auth_rate_limited", "Supabase Auth asks to slow down.", {
    retryable: true,
    ...readRetryAfter(response.headers),
  });
}

function unauthorized(status: number): SyncError {
  return new SyncError(
    "auth_unauthorized",
    `Supabase Auth refused the key (${status}). Check SUPABASE_SECRET_KEYS or SUPABASE_SERVICE_ROLE_KEY.`,
    {
      retryable: true,
    },
  );
}
