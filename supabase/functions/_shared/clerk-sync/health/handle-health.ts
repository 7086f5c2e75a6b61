import { SyncError } from "../errors.ts";
import type { CheckCaller } from "../http/check-caller.ts";
import { json } from "../http/json-response.ts";
import type { Health } from "./judge-health.ts";
import type { ReadHealth } from "./read-health.ts";

export type HealthDependencies = {
  readHealth: ReadHealth;
  /** Who passes it sees the details. */
  checkCaller: CheckCaller;
};

/**
 * Answers how the sync is: 200 while what it keeps can be relied on (healthy, degraded), 503 when not (compromised).
 * Anybody gets the status word; the secret key gets reasons and facts. `?live` only says that this function runs.
 */
export async function handleHealth(request: Request, dependencies: HealthDependencies): Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    return json(405, { error: "Ask by GET or HEAD.", code: "method_not_allowed" }, { allow: "GET, HEAD" });
  }
  const response = await answer(request, dependencies);
  return method === "HEAD" ? new Response(null, { status: response.status, headers: response.headers }) : response;
}

async function answer(request: Request, { readHealth, checkCaller }: HealthDependencies): Promise<Response> {
  if (new URL(request.url).searchParams.has("live")) return json(200, { status: "live" });
  const [health, isKnown] = await Promise.all([readHealth(), mayRead(request, checkCaller)]);
  return json(health.status === "compromised" ? 503 : 200, isKnown ? health : hide(health));
}

/** Whoever sends another key, as supabase-js does with its publishable one, is like whoever sends none. */
async function mayRead(request: Request, checkCaller: CheckCaller): Promise<boolean> {
  try {
    await checkCaller(request);
    return true;
  } catch (error) {
    if (error instanceof SyncError && error.code === "caller_unauthorized") return false;
    throw error;
  }
}

function hide({ status }: Health): Pick<Health, "status"> {
  return { status };
}
