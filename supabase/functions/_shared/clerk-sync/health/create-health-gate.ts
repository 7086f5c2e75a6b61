export type HealthGateOptions = {
  /** The sync-health endpoint: https://<project>.supabase.co/functions/v1/sync-health. */
  url: string;
  fetch?: typeof fetch;
  /** How long an answer counts. */
  maxAgeMilliseconds?: number;
  /** How long an answer is waited for. */
  timeoutMilliseconds?: number;
  /**
   * What an endpoint means that cannot be reached, is too slow, or is not ours: "compromised" (the default) switches
   * off what depends on fresh users, "healthy" lets it go on.
   */
  whenUnreachable?: "compromised" | "healthy";
  /** Unix milliseconds. */
  now?: () => number;
};

export type HealthGate = {
  /** Whether what depends on fresh user data may go on: true while the sync is healthy or degraded. Never throws. */
  isHealthy: () => Promise<boolean>;
};

/**
 * Makes the question an app asks before it does what needs fresh user data. Runs wherever fetch does, and needs no key.
 * One request answers all who ask within maxAgeMilliseconds, also while it is under way.
 */
export function createHealthGate(options: HealthGateOptions): HealthGate {
  const { maxAgeMilliseconds = 5000, now = Date.now } = options;
  let known: { answer: Promise<boolean>; until: number } | null = null;
  const ask = () => {
    const current = { answer: askEndpoint(options), until: Number.POSITIVE_INFINITY };
    void current.answer.then(() => {
      current.until = now() + maxAgeMilliseconds;
    });
    return current;
  };
  return {
    isHealthy: () => {
      if (known === null || now() >= known.until) known = ask();
      return known.answer;
    },
  };
}

/** Only the endpoint's own words count: a 200 of a proxy's page says nothing of the sync. */
async function askEndpoint(options: HealthGateOptions): Promise<boolean> {
  const { url, fetch: send = fetch, timeoutMilliseconds = 2000, whenUnreachable = "compromised" } = options;
  try {
    const response = await send(url, { signal: AbortSignal.timeout(timeoutMilliseconds), redirect: "error" });
    const body: unknown = await response.json();
    const status = typeof body === "object" && body !== null && "status" in body ? body.status : null;
    if (status === "compromised") return false;
    if (status === "healthy" || status === "degraded") return true;
  } catch {
    // Not reached, too slow, or no JSON: what that means is the caller's choice, below.
  }
  return whenUnreachable === "healthy";
}
