import type { CallFunction } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { createCheckCaller } from "#core/http/check-caller.ts";
import { json } from "#core/http/json-response.ts";
import { createMetricsResponse } from "#core/metrics/metrics-response.ts";
import { createProcessMetrics } from "./process-metrics.ts";

/** Makes the answer of GET /metrics for whoever has one of the keys; null without any: closed, never open. */
export function createMetrics(
  call: CallFunction,
  keys: readonly string[],
): ((request: Request) => Promise<Response>) | null {
  if (keys.length === 0) return null;
  const checkCaller = createCheckCaller(keys);
  const respond = createMetricsResponse(call, createProcessMetrics());
  return async (request) => {
    try {
      await checkCaller(request);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      const message = "Send METRICS_TOKEN as Bearer token, or the project's secret key as apikey header.";
      return json(401, { error: message, code: error.code }, { "www-authenticate": "Bearer" });
    }
    return respond();
  };
}
