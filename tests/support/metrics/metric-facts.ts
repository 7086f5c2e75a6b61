import type { MetricFacts } from "#core/metrics/facts.ts";

const counted = (name: string, labels: Record<string, string>) => ({
  name,
  labels,
  count: 1,
  sum: 1,
  buckets: { "0": 1 },
});

/** Everything that can be counted, once. An integration test holds names and labels against what the database counts. */
export const counts: MetricFacts["counts"] = [
  counted("received", {}),
  counted("finished", { status: "COMPLETED", type: "USER_CREATED" }),
  counted("latency", { source: "webhook" }),
  counted("processing", {}),
  counted("mirrored", { outcome: "created" }),
  counted("failed_attempts", { code: "auth_unavailable" }),
  counted("dead", { code: "auth_rejected" }),
  counted("calls", { service: "auth", outcome: "success" }),
  counted("answers", { status: "202" }),
  counted("left_to_worker", { reason: "deletion" }),
  counted("signature_failures", { code: "signature_invalid" }),
];

const at = "2026-11-20T10:00:00+00:00";

/** What clerk_sync_metrics answers of a sync where everything has happened. */
export const metricFacts: MetricFacts = {
  bounds: [1, 5],
  rolled_until: at,
  counts,
  jobs: [{ status: "DEAD", type: "USER_CREATED", service: null, count: 1 }],
  health: {
    status: "degraded",
    reasons: [{ code: "dead_letters", status: "degraded" }],
    facts: {
      now: at,
      schema_version: "1",
      oldest_due_at: at,
      oldest_refresh_at: at,
      users: 1,
      last_applied_at: at,
      silence: { checked_at: at },
      circuits: { auth: { state: "closed" }, clerk: { state: "open" } },
      delete_brake: { engaged_at: at },
      heartbeats: { worker: at, processor: at, webhook: at },
    },
  },
  drift: { read: 1, missing: 1 },
  runs: { compare: { completed_at: at, failed: false }, sweep: { completed_at: at, failed: true } },
  active: true,
};
