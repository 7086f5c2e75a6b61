import type { Mutation } from "./mutations.ts";

const circuitsSql = "supabase/schemas/07_circuits.sql";
const applySql = "supabase/schemas/08_apply.sql";
const workSql = "supabase/schemas/13_work.sql";
const file = (name: string) => `tests/integration/${name}.test.ts`;

/** What holds while a service is down, each with the line that upholds it. */
export const circuitLaws: readonly Mutation[] = [
  {
    test: file("worker/circuits"),
    title: "a circuit opens after five failures in a row, over any number of batches and workers",
    edits: [{ file: circuitsSql, find: "(v_failures >= 5 or", replace: "(v_failures < 0 or" }],
  },
  {
    test: file("worker/circuits"),
    title:
      "while the circuit of Auth is open rows are written at once and their jobs wait: no call, no attempt, no entry in their history, nothing due",
    edits: [{ file: applySql, find: "clerk_sync.circuit_is_open('auth')", replace: "false" }],
  },
  {
    test: file("worker/circuits"),
    title: "while the circuit of Auth is open a worker that mirrors nothing completes what waits",
    edits: [{ file: circuitsSql, find: "       or (c.name = 'auth' and not p_mirrors)\n", replace: "" }],
  },
  {
    test: file("worker/circuits"),
    title:
      "while the circuit of Auth is open what failed before it opened in a batch of another worker waits as well, and counts for nothing",
    edits: [{ file: circuitsSql, find: "         c.state = 'closed'\n         and", replace: "         " }],
  },
  {
    test: file("mirror/auth-broken-rows"),
    title: "6 users whom Auth cannot read fail alone and end; 35 others are mirrored immediately",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/http/ask-service.ts",
        find: "error.code !== unavailable || !(await works())",
        replace: "error.code !== unavailable || works !== null",
      },
    ],
  },
  {
    test: file("worker/circuits"),
    title: "a circuit opens for as long as the service asked",
    edits: [{ file: circuitsSql, find: "secs => v_seen.retry_after", replace: "secs => 0" }],
  },
  {
    test: file("worker/circuits"),
    title: "a circuit stays closed over users for whom alone the service fails, however often their jobs are tried",
    edits: [{ file: circuitsSql, find: "      union\n", replace: "      union all\n" }],
  },
  {
    test: file("worker/circuits"),
    title:
      "a circuit opens after twenty users in a row for whom alone the service fails, over any number of batches and hours",
    edits: [{ file: circuitsSql, find: "or cardinality(v_users) >= 20", replace: "" }],
  },
  {
    test: file("worker/circuits"),
    title: "a circuit opens for longer when it opens again soon after it closed",
    edits: [{ file: circuitsSql, find: "        else v_seen.openings + 1\n", replace: "        else 1\n" }],
  },
  {
    test: file("worker/circuit-probe"),
    title: "a probe that its worker answers after another worker has taken it decides nothing",
    edits: [
      {
        file: circuitsSql,
        find: "    where c.probe_token = p_token\n",
        replace: "    where c.state = 'half_open'\n",
      },
    ],
  },
  {
    test: file("worker/circuit-probe"),
    title: "the probe is one call among all workers at once, and the rest is due when it succeeds",
    edits: [
      {
        file: circuitsSql,
        find: "    and c.probe_at <= p_now\n  for update skip locked;",
        replace: "    and c.probe_token is null;",
      },
    ],
  },
  {
    test: file("worker/circuit-probe"),
    title:
      "a probe that fails keeps the circuit open for longer; the next one is another job, for it may be the job that is at fault",
    edits: [
      {
        file: workSql,
        within: "clerk_sync.settle_outcomes",
        find: "        p_run_at => p_now --",
        replace: "        p_run_at => null --",
      },
    ],
  },
  {
    test: file("worker/circuit-probe"),
    title: "the probe is taken anew when its worker died, after its lease and not before",
    edits: [{ file: circuitsSql, find: "      probe_at = p_lease_until\n", replace: "      probe_at = 'infinity'\n" }],
  },
  {
    test: file("worker/circuit-probe"),
    title:
      "a probe costs a job that is a day old an attempt, so that a job that alone is at fault ends as a dead letter",
    edits: [{ file: workSql, find: "\n      and v_job.created_at > p_now - interval '1 day'", replace: "" }],
  },
  {
    test: file("worker/circuit-probe"),
    title:
      "while the circuit of Clerk's API is open refreshes wait without an attempt, everything else goes on, and the probe is one of them",
    edits: [
      {
        file: workSql,
        within: "clerk_sync.route_jobs",
        find: "when clerk_sync.circuit_is_open('clerk') then 'wait'",
        replace: "when false then 'wait'",
      },
    ],
  },
  {
    test: file("reconcile/reconcile-auth"),
    title: "a compare of Supabase Auth > names each row that Auth cannot read, and compares all others of its page",
    edits: [
      {
        file: "supabase/functions/_shared/clerk-sync/mirror/read-auth-users.ts",
        find: "if (!isOfUser(judged)) throw judged;",
        replace: "throw error;",
      },
    ],
  },
];
