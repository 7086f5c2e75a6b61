import { z } from "zod";

// What clerk_sync_metrics answers; see 19_metrics.sql.

const time = z.string().nullish();
const counted = z.record(z.string(), z.number());

const healthSchema = z.object({
  status: z.string(),
  reasons: z.array(z.object({ code: z.string(), status: z.string() })),
  facts: z.object({
    now: z.string(),
    schema_version: z.string(),
    oldest_due_at: time,
    oldest_refresh_at: time,
    users: z.number(),
    last_applied_at: time,
    silence: z.object({ checked_at: time }).nullish(),
    circuits: z.record(z.string(), z.object({ state: z.string() })),
    delete_brake: z.object({ engaged_at: time }),
    heartbeats: z.record(z.string(), z.string()),
  }),
});

export const metricFactsSchema = z.object({
  bounds: z.array(z.number()),
  rolled_until: z.string(),
  counts: z.array(
    z.object({
      name: z.string(),
      labels: z.record(z.string(), z.string()),
      count: z.number(),
      sum: z.number(),
      buckets: counted,
    }),
  ),
  jobs: z.array(z.object({ status: z.string(), type: z.string(), service: z.string().nullable(), count: z.number() })),
  health: healthSchema,
  drift: counted.nullable(),
  runs: z.record(z.string(), z.object({ completed_at: time, failed: z.boolean() })),
  active: z.boolean(),
});

export type MetricFacts = z.infer<typeof metricFactsSchema>;
