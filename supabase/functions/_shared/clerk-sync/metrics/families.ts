import type { MetricFacts } from "./facts.ts";
import type { Labels, MetricFamily, MetricSample } from "./format-metrics.ts";

type Count = MetricFacts["counts"][number];
type Measured = Pick<MetricFacts, "counts" | "bounds">;

function one(value: number): MetricSample[] {
  return [{ labels: {}, value }];
}

/** A sample for each of the values, 1 where it is the one that holds. */
function oneOf(label: string, values: readonly string[], holds: string, labels: Labels = {}): MetricSample[] {
  return values.map((value) => ({ labels: { ...labels, [label]: value }, value: value === holds ? 1 : 0 }));
}

/** Seconds between two times of the database; null without the earlier one. */
function ageOf(at: string | null | undefined, now: string): number | null {
  return at ? Math.max(0, (Date.parse(now) - Date.parse(at)) / 1000) : null;
}

/** No sample where there is no age: what never happened is not old. */
function aged(labels: Labels, age: number | null): MetricSample[] {
  return age === null ? [] : [{ labels, value: age }];
}

function sumOf(counts: readonly { count: number }[]): number {
  return counts.reduce((sum, entry) => sum + entry.count, 0);
}

function isCompleted({ name, labels }: Count): boolean {
  return name === "finished" && labels["status"] === "COMPLETED";
}

/** What was counted under this name, by its labels. */
function count({ counts }: Pick<MetricFacts, "counts">, name: string): MetricSample[] {
  return counts.filter((entry) => entry.name === name).map((entry) => ({ labels: entry.labels, value: entry.count }));
}

/** The samples, and 0 for those labels that are not among them: a rate needs to see a counter before it moves. */
function zeros(samples: readonly MetricSample[], known: readonly Labels[]): MetricSample[] {
  const seen = new Set(samples.map(({ labels }) => keyOf(labels)));
  return [...samples, ...known.filter((labels) => !seen.has(keyOf(labels))).map((labels) => ({ labels, value: 0 }))];
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/** Cumulative buckets, sum and count of each set of labels; of `known` also when nothing was measured. */
export function histogram({ counts, bounds }: Measured, name: string, known: Labels): MetricSample[] {
  const measured = counts.filter((entry) => entry.name === name);
  const isKnown = measured.some(({ labels }) => keyOf(labels) === keyOf(known));
  const empty = { name, labels: known, count: 0, sum: 0, buckets: {} };
  return [...measured, ...(isKnown ? [] : [empty])].flatMap((entry) => histogramOf(entry, bounds));
}

function histogramOf({ labels, buckets, count: total, sum }: Count, bounds: readonly number[]): MetricSample[] {
  let upTo = 0;
  const samples = bounds.map((bound, bucket): MetricSample => {
    upTo += buckets[String(bucket)] ?? 0;
    return { suffix: "_bucket", labels: { ...labels, le: String(bound) }, value: upTo };
  });
  return [
    ...samples,
    { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: total },
    { suffix: "_sum", labels, value: sum },
    { suffix: "_count", labels, value: total },
  ];
}

type Definition = Omit<MetricFamily, "samples"> & { read: (facts: MetricFacts) => MetricSample[] };

const jobTypes = ["USER_CREATED", "USER_UPDATED", "USER_DELETED"];
const openStatuses = ["PENDING", "PROCESSING", "FAILED", "DEAD"];
const runKinds = ["backfill", "sweep", "compare"];
const authKinds = ["auth_missing", "auth_differs", "auth_extra", "auth_deleted"];
const driftKinds = ["missing", "stale", "ahead", "differs", "extra", "unmirrored", ...authKinds];

/** Every metric, in the order they are written and docs/metrics.md lists them. All but those of the process. */
const definitions: readonly Definition[] = [
  {
    name: "clerk_sync_info",
    type: "gauge",
    help: "1; the version of the schema is in the label.",
    read: ({ health }) => [{ labels: { schema_version: health.facts.schema_version }, value: 1 }],
  },
  {
    name: "clerk_sync_health_status",
    type: "gauge",
    help: "1 for the status the sync has, 0 for the others.",
    read: ({ health }) => oneOf("status", ["healthy", "degraded", "compromised"], health.status),
  },
  {
    name: "clerk_sync_health_reason",
    type: "gauge",
    help: "1 for each reason why the sync is not healthy.",
    read: ({ health }) => health.reasons.map(({ code, status }) => ({ labels: { code, status }, value: 1 })),
  },
  {
    name: "clerk_sync_users",
    type: "gauge",
    help: "Users that are not deleted; beyond 10,000 an estimate.",
    read: ({ health }) => one(health.facts.users),
  },
  {
    name: "clerk_sync_jobs",
    type: "gauge",
    help: "Jobs that are open or dead letters, counted up to 10,000 each.",
    read: ({ jobs }) =>
      openStatuses.flatMap((status) =>
        jobTypes.map((type) => ({
          labels: { status, type },
          value: sumOf(jobs.filter((job) => job.status === status && job.type === type)),
        })),
      ),
  },
  {
    name: "clerk_sync_jobs_waiting",
    type: "gauge",
    help: "Of the open jobs, those that wait for a service whose circuit is open.",
    read: ({ jobs }) =>
      ["auth", "clerk"].map((service) => ({
        labels: { service },
        value: sumOf(jobs.filter((job) => job.service === service)),
      })),
  },
  {
    name: "clerk_sync_oldest_due_age_seconds",
    type: "gauge",
    help: "How long the oldest job has been due; 0 when none is.",
    read: ({ health }) => one(ageOf(health.facts.oldest_due_at, health.facts.now) ?? 0),
  },
  {
    name: "clerk_sync_oldest_refresh_age_seconds",
    type: "gauge",
    help: "How long the oldest refresh has been due; 0 when none is.",
    read: ({ health }) => one(ageOf(health.facts.oldest_refresh_at, health.facts.now) ?? 0),
  },
  {
    name: "clerk_sync_jobs_finished_total",
    type: "counter",
    help: "Jobs that were completed or cancelled.",
    read: (facts) =>
      zeros(count(facts, "finished"), [
        ...jobTypes.map((type) => ({ status: "COMPLETED", type })),
        ...jobTypes.map((type) => ({ status: "CANCELLED", type })),
      ]),
  },
  {
    name: "clerk_sync_attempts_total",
    type: "counter",
    help: "Attempts at jobs that ended: completed, or failed.",
    read: (facts) => [
      { labels: { outcome: "completed" }, value: sumOf(facts.counts.filter(isCompleted)) },
      { labels: { outcome: "failed" }, value: sumOf(facts.counts.filter(({ name }) => name === "failed_attempts")) },
    ],
  },
  {
    name: "clerk_sync_failed_attempts_total",
    type: "counter",
    help: "Failed attempts by the code of the error.",
    read: (facts) => count(facts, "failed_attempts"),
  },
  {
    name: "clerk_sync_dead_letters_total",
    type: "counter",
    help: "Jobs that gave up, by the code of the error; retried or not since.",
    read: (facts) => count(facts, "dead"),
  },
  {
    name: "clerk_sync_job_latency_seconds",
    type: "histogram",
    help: "From receipt to completion, by who brought the job.",
    read: (facts) => histogram(facts, "latency", { source: "webhook" }),
  },
  {
    name: "clerk_sync_job_processing_seconds",
    type: "histogram",
    help: "The attempt that completed a job, with its calls to the services.",
    read: (facts) => histogram(facts, "processing", {}),
  },
  {
    name: "clerk_sync_webhook_answers_total",
    type: "counter",
    help: "Answers of the webhook by HTTP status.",
    read: (facts) =>
      zeros(
        count(facts, "answers"),
        ["200", "202", "400", "401", "413", "429", "500", "503"].map((status) => ({ status })),
      ),
  },
  {
    name: "clerk_sync_left_to_worker_total",
    type: "counter",
    help: "Events that the webhook stored without applying them, by reason.",
    read: (facts) => count(facts, "left_to_worker"),
  },
  {
    name: "clerk_sync_signature_failures_total",
    type: "counter",
    help: "Deliveries refused for their signature, by the code of the error.",
    read: (facts) =>
      zeros(count(facts, "signature_failures"), [{ code: "signature_missing" }, { code: "signature_invalid" }]),
  },
  {
    name: "clerk_sync_service_calls_total",
    type: "counter",
    help: "Users mirrored to Supabase Auth (auth) and read from Clerk's API (clerk) for jobs; failure: it is down or refuses all.",
    read: (facts) =>
      zeros(
        count(facts, "calls"),
        ["auth", "clerk"].flatMap((service) => ["success", "failure"].map((outcome) => ({ service, outcome }))),
      ),
  },
  {
    name: "clerk_sync_mirrored_total",
    type: "counter",
    help: "Completed jobs by what the mirror did in Supabase Auth.",
    read: (facts) =>
      zeros(
        count(facts, "mirrored"),
        ["created", "updated", "adopted", "deleted", "skipped"].map((outcome) => ({ outcome })),
      ),
  },
  {
    name: "clerk_sync_circuit_state",
    type: "gauge",
    help: "1 for the state the circuit of a service has, 0 for the others.",
    read: ({ health }) =>
      Object.entries(health.facts.circuits).flatMap(([service, { state }]) =>
        oneOf("state", ["closed", "open", "half_open"], state, { service }),
      ),
  },
  {
    name: "clerk_sync_delete_brake_engaged",
    type: "gauge",
    help: "1 while deletions are held back.",
    read: ({ health }) => one(health.facts.delete_brake.engaged_at ? 1 : 0),
  },
  {
    name: "clerk_sync_drift_users",
    type: "gauge",
    help: "Users out of step in the last compare, repaired or not.",
    read: ({ drift }) =>
      drift === null ? [] : driftKinds.map((kind) => ({ labels: { kind }, value: drift[kind] ?? 0 })),
  },
  {
    name: "clerk_sync_compared_users",
    type: "gauge",
    help: "Users that the last compare read from Clerk's API.",
    read: ({ drift }) => (drift === null ? [] : one(drift["read"] ?? 0)),
  },
  {
    name: "clerk_sync_run_age_seconds",
    type: "gauge",
    help: "Since the last run of a kind was completed.",
    read: ({ runs, health }) =>
      runKinds.flatMap((kind) => aged({ kind }, ageOf(runs[kind]?.completed_at, health.facts.now))),
  },
  {
    name: "clerk_sync_run_failed",
    type: "gauge",
    help: "1 when the last run of a kind failed.",
    read: ({ runs }) => runKinds.map((kind) => ({ labels: { kind }, value: runs[kind]?.failed === true ? 1 : 0 })),
  },
  {
    name: "clerk_sync_run_active",
    type: "gauge",
    help: "1 while a run is open.",
    read: ({ active }) => one(active ? 1 : 0),
  },
  {
    name: "clerk_sync_silence",
    type: "gauge",
    help: "1 where deliveries are suspected, or confirmed, to have stopped.",
    read: ({ health }) =>
      ["suspected", "confirmed"].map((state) => ({
        labels: { state },
        value: health.reasons.some(({ code }) => code === `silence_${state}`) ? 1 : 0,
      })),
  },
  {
    name: "clerk_sync_silence_check_age_seconds",
    type: "gauge",
    help: "Since a sweep or compare last looked for changes that no delivery brought.",
    read: ({ health }) => aged({}, ageOf(health.facts.silence?.checked_at, health.facts.now)),
  },
  {
    name: "clerk_sync_last_applied_age_seconds",
    type: "gauge",
    help: "Since a job was completed or cancelled last.",
    read: ({ health }) => aged({}, ageOf(health.facts.last_applied_at, health.facts.now)),
  },
  {
    name: "clerk_sync_heartbeat_age_seconds",
    type: "gauge",
    help: "Since a part was last heard of: worker, processor, or webhook (a delivery it took).",
    read: ({ health }) =>
      Object.entries(health.facts.heartbeats).flatMap(([part, at]) => aged({ part }, ageOf(at, health.facts.now))),
  },
  {
    name: "clerk_sync_counted_age_seconds",
    type: "gauge",
    help: "Since when finished jobs are not counted yet: a minute, more while the roll-up catches up.",
    read: ({ rolled_until, health }) => aged({}, ageOf(rolled_until, health.facts.now)),
  },
];

/** The metrics of the database, from what clerk_sync_metrics answered. */
export function databaseFamilies(facts: MetricFacts): MetricFamily[] {
  return definitions.map(({ read, ...family }) => ({ ...family, samples: read(facts) }));
}
