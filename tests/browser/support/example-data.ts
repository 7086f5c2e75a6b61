import type { System } from "../../e2e/system.ts";
import { clerkIdOf } from "../../support/clerk-stand-in/make-users.ts";

/** What a system looks like after a busy day: jobs over a day with their latencies, a few of each status. */
export async function fillWithExamples({ query }: System): Promise<{ deadJob: string }> {
  await query(
    `insert into job_queue (job_type, status, event_id, clerk_id, attempts, created_at, processed_at, priority)
     select 'USER_UPDATED', 'COMPLETED', 'msg_example_' || n, 'user_example' || n % 97, 1, at,
            at + interval '1 millisecond' * (180 + 90 * sin(n / 40.0) + n % 37 * 14), 1
     from generate_series(1, 1400) as n,
          lateral (select now() - interval '1 second' * (n * 2.4 + 6 * sin(n / 25.0))) as t(at)
     on conflict do nothing`,
  );
  await query(
    `insert into job_queue (job_type, status, event_id, clerk_id, attempts, error, created_at, run_at)
     select 'USER_UPDATED', 'FAILED', 'msg_failed_' || n, 'user_failed' || n, 2,
            'auth_unavailable: Supabase Auth answered 503.', now() - interval '1 minute' * n, now() + interval '1 hour'
     from generate_series(1, 4) as n on conflict do nothing`,
  );
  const [job] = await query(
    `insert into job_queue (job_type, status, event_id, clerk_id, attempts, error, created_at, processed_at)
     values ('USER_CREATED', 'DEAD', 'msg_example_dead', $1, 15,
             'auth_rejected: Supabase Auth refuses this address: invalid format.', now() - interval '9 minutes', null)
     on conflict do nothing returning id`,
    [clerkIdOf(1)],
  );
  return { deadJob: String(job?.["id"]) };
}
