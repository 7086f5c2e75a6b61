import { type ErrorCode, errorMessage, SyncError } from "../errors.ts";

export { SyncError } from "../errors.ts";

/** The caller's row as `ensure-user` answers it, with every column of the mapped table that the user may read. */
export type UserRow = {
  id: string;
  clerk_id: string;
  email: string | null;
  name: string | null;
  role: string;
  [column: string]: unknown;
};

export type WaitForUserOptions = {
  /** Of the function: https://<project>.supabase.co/functions/v1/ensure-user */
  url: string;
  /** The session token of who is signed in: `() => session.getToken()` of Clerk. Asked for anew at each try. */
  getToken: () => Promise<string | null>;
  /** 15 seconds unless told. */
  timeoutMilliseconds?: number;
  signal?: AbortSignal;
  fetch?: typeof fetch;
};

type Attempt = { row: UserRow } | { failure: SyncError };

const firstWaitMilliseconds = 250;
const longestWaitMilliseconds = 4000;

/**
 * Waits for the row of the user who is signed in, in a browser, on Node or anywhere else with fetch. It asks `ensure-user`
 * again while the row is not there yet, the function is out of order or cannot be reached: after 250 ms, then twice as
 * long each time, up to 4 s, or as long as the answer asks for.
 * Throws SyncError `session_token_invalid` (nobody is signed in, or the token is refused), `user_deleted`,
 * `endpoint_unreachable` (the URL is not that of ensure-user), or `user_pending` when the time is over, with the last
 * failure as its cause. When `signal` is given, throws its reason.
 */
export async function waitForUser(options: WaitForUserOptions): Promise<UserRow> {
  const deadline = Date.now() + (options.timeoutMilliseconds ?? 15_000);
  for (let tries = 0; ; tries++) {
    options.signal?.throwIfAborted();
    const attempt = await askOnce(options, deadline);
    if ("row" in attempt) return attempt.row;
    if (!attempt.failure.retryable) throw attempt.failure;
    const wait = waitAfter(tries, attempt.failure);
    if (Date.now() + wait >= deadline) throw timeIsOver(attempt.failure);
    await pause(wait, options.signal);
  }
}

async function askOnce(options: WaitForUserOptions, deadline: number): Promise<Attempt> {
  const token = await options.getToken();
  if (token === null) {
    return { failure: new SyncError("session_token_invalid", "getToken gave no token: nobody is signed in.") };
  }
  const timeout = AbortSignal.timeout(Math.max(0, deadline - Date.now()));
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  try {
    const response = await (options.fetch ?? fetch)(options.url, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      signal,
    });
    return readAnswer(response, parseJson(await response.text()));
  } catch (cause) {
    options.signal?.throwIfAborted();
    return { failure: unreachable(`cannot be reached: ${errorMessage(cause)}`, true, cause) };
  }
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  202: "user_pending",
  401: "session_token_invalid",
  404: "user_deleted",
  429: "user_pending",
};

/** A 404 without our code is that of somebody else: a wrong URL must not look like a deleted user. */
function readAnswer(response: Response, body: unknown): Attempt {
  const { user, code, error, message } = (body ?? {}) as Record<string, unknown>;
  const { status } = response;
  if (status === 200 && isRow(user)) return { row: user };
  const text = typeof error === "string" ? error : message;
  const known = status >= 500 ? "user_pending" : codeOfStatus[status];
  if (known === undefined || (status === 404 && code !== "user_deleted")) {
    return { failure: unreachable(`answered ${status}`, false) };
  }
  return { failure: failureOf(known, typeof text === "string" ? text : `ensure-user answered ${status}.`, response) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a page of somebody else's
  }
}

function failureOf(code: ErrorCode, message: string, { headers }: Response): SyncError {
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  const wait = seconds >= 0 ? { retryAfterSeconds: seconds } : {};
  return new SyncError(code, message, { retryable: code === "user_pending", ...wait });
}

function isRow(user: unknown): user is UserRow {
  return typeof user === "object" && user !== null && "clerk_id" in user;
}

function unreachable(what: string, retryable: boolean, cause?: unknown): SyncError {
  return new SyncError("endpoint_unreachable", `ensure-user ${what}. Is the URL right?`, { retryable, cause });
}

function timeIsOver(cause: SyncError): SyncError {
  const message = `The user's row was not there in time. The last answer: ${cause.message}`;
  return new SyncError("user_pending", message, { retryable: true, cause });
}

/** With jitter: pages that were opened together must not ask together for ever. */
function waitAfter(tries: number, { retryAfterSeconds = 0 }: SyncError): number {
  const backoff = Math.min(firstWaitMilliseconds * 2 ** tries, longestWaitMilliseconds);
  return Math.max(retryAfterSeconds * 1000, backoff * (0.75 + Math.random() / 4));
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
  });
}
