/** Headers of the answer to a request from this page; none for a page that is not on the list. */
export type AllowOrigin = (request: Request) => Readonly<Record<string, string>>;

/** What supabase-js sends (its cors module), and what else a page may need to send. */
const allowedHeaders =
  "authorization, apikey, content-type, x-client-info, x-region, x-retry-count, traceparent, tracestate, baggage";

/**
 * Makes the rule which pages may call (the Fetch standard, "CORS protocol"): those of the origins given, no others. The
 * header is the answer to a browser only; who is not one proves itself all the same.
 */
export function createAllowOrigin(origins: readonly string[], methods = "POST"): AllowOrigin {
  return (request): Record<string, string> => {
    const origin = request.headers.get("origin");
    if (origin === null || !origins.includes(origin)) return { vary: "origin" };
    return {
      vary: "origin",
      "access-control-allow-origin": origin,
      "access-control-allow-methods": methods,
      "access-control-allow-headers": allowedHeaders,
      "access-control-expose-headers": "retry-after",
      "access-control-max-age": "7200",
    };
  };
}
