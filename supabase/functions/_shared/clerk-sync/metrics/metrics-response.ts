import { type CallFunction, createCallAs } from "../database/database.ts";
import { errorCode, errorMessage, SyncError } from "../errors.ts";
import { json } from "../http/json-response.ts";
import { logger } from "../logger.ts";
import { metricFactsSchema } from "./facts.ts";
import { databaseFamilies } from "./families.ts";
import { formatMetrics, type MetricFamily, metricsContentType } from "./format-metrics.ts";

/**
 * Makes the answer to a scrape by Prometheus: 200 with the metrics as text; 503 when the database does not say, so that
 * `up` is 0. Who may ask is the caller's to check. `others`: metrics of the process, say.
 */
export function createMetricsResponse(
  call: CallFunction,
  others: () => readonly MetricFamily[] = () => [],
): () => Promise<Response> {
  const callAs = createCallAs(call);
  return async () => {
    try {
      const facts = await callAs(metricFactsSchema, "clerk_sync_metrics", {});
      const text = formatMetrics([...databaseFamilies(facts), ...others()]);
      return new Response(text, { headers: { "content-type": metricsContentType, "cache-control": "no-store" } });
    } catch (error) {
      logger.error("metrics.failed", { code: errorCode(error), reason: errorMessage(error) });
      if (!(error instanceof SyncError)) throw error;
      return json(503, { error: error.message, code: error.code }, { "retry-after": "5" });
    }
  };
}
