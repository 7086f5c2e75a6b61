import { ApiError } from "./api-error.ts";

export type QueryValue = string | number | boolean | null | undefined;
/** Empty values are left out; a list becomes one parameter, joined by commas. */
export type Query = Readonly<Record<string, QueryValue | readonly string[]>>;

export type Client = {
  get: <Answer>(path: string, query?: Query, signal?: AbortSignal) => Promise<Answer>;
  post: <Answer>(path: string, body?: unknown, signal?: AbortSignal) => Promise<Answer>;
};

export type ClientOptions = {
  /** Where sync-admin is, without a trailing slash. */
  baseUrl: string;
  /** What proves the caller. */
  headers: Readonly<Record<string, string>>;
  fetch?: typeof fetch;
  onSignedOut?: (error: ApiError) => void;
};

/** Speaks JSON to sync-admin. Throws ApiError: the refusal of the API, or `endpoint_unreachable`. */
export function createClient(options: ClientOptions): Client {
  const send = async <Answer>(path: string, init: RequestInit): Promise<Answer> => {
    try {
      return (await request(options, path, init)) as Answer;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) options.onSignedOut?.(error);
      throw error;
    }
  };
  return {
    get: (path, query = {}, signal) => send(`${path}${formatQuery(query)}`, { ...(signal && { signal }) }),
    post: (path, body = {}, signal) =>
      send(path, { method: "POST", body: JSON.stringify(body), ...(signal && { signal }) }),
  };
}

export function formatQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const text = Array.isArray(value) ? value.join(",") : String(value ?? "");
    if (text !== "") parameters.set(name, text);
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

async function request({ baseUrl, headers, ...options }: ClientOptions, path: string, init: RequestInit) {
  const url = `${baseUrl}${path}`;
  const call = options.fetch ?? fetch;
  const response = await call(url, {
    ...init,
    headers: { accept: "application/json", ...(init.body ? { "content-type": "application/json" } : {}), ...headers },
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  }).catch((cause: unknown) => {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, "endpoint_unreachable", unreachable(baseUrl));
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer;
  throw readRefusal(response.status, answer, baseUrl);
}

function readRefusal(status: number, answer: unknown, baseUrl: string): ApiError {
  if (isRefusal(answer)) return new ApiError(status, answer.code, answer.error);
  return new ApiError(
    status,
    "endpoint_unreachable",
    `${baseUrl} answered ${status}, and not as sync-admin does. Is the address right, and is sync-admin deployed there?`,
  );
}

function isRefusal(answer: unknown): answer is { error: string; code: string } {
  if (typeof answer !== "object" || answer === null) return false;
  const { error, code } = answer as { error?: unknown; code?: unknown };
  return typeof error === "string" && typeof code === "string";
}

function unreachable(baseUrl: string): string {
  return `${baseUrl} was not reached. Is the server running, is this device online, and does ADMIN_ORIGINS allow this page's origin?`;
}
