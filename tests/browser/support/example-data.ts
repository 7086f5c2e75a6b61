import { createHash } from "node:crypto";
import type { System } from "../../e2e/system.ts";
import { at, userEvent } from "../../support/clerk/build-event.ts";
import type { ClerkInstance } from "../../support/clerk/clerk-instance.ts";

const firstNames = ["Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "John", "Katherine", "Margaret"];
const lastNames = [
  "Lovelace",
  "Turing",
  "Liskov",
  "Knuth",
  "Dijkstra",
  "Allen",
  "Hopper",
  "Backus",
  "Johnson",
  "Hamilton",
];
const people = firstNames.flatMap((first) => lastNames.map((last) => ({ first, last })));

/** An id as long as Clerk's, the same every time. */
function idOf(name: string): string {
  const digest = createHash("sha256").update(name).digest("base64url");
  return `user_2${digest.replace(/[-_]/g, "x").slice(0, 26)}`;
}

/** What a system looks like after a busy week: a hundred users, their jobs with latencies, a few of each status. */
export async function fillWithExamples(system: System, clerk: ClerkInstance): Promise<{ deadJob: string }> {
  const ids = await signUpPeople(system, clerk);
  await addFinishedJobs(system, ids);
  const deadJob = await addTroubles(system, ids);
  await countAnew(system);
  return { deadJob };
}

async function signUpPeople(system: System, clerk: ClerkInstance): Promise<string[]> {
  const weekAgo = Date.now() - 7 * 86_400_000 - at(0);
  const ids: string[] = [];
  for (const [place, { first, last }] of people.entries()) {
    const id = idOf(`${first} ${last}`);
    const email = `${first}.${last}@example.com`.toLowerCase();
    const version = weekAgo + place * 3_600_000;
    const event = userEvent("user.created", { id, email, version, firstName: first, lastName: last });
    clerk.users.set(id, { ...event.data, id, created_at: event.data.updated_at, updated_at: event.data.updated_at });
    await system.send(event);
    ids.push(id);
  }
  for (const id of ids) await system.settled(id);
  await system.query(
    `${quietly}
     update job_queue as j
     set created_at = i.at, processed_at = i.at + interval '240 milliseconds'
     from quietly, unnest($1::text[]) with ordinality as u(id, place),
          lateral (select now() - interval '7 days' + interval '1 hour' * u.place as at) as i
     where j.clerk_id = u.id`,
    [ids],
  );
  return ids;
}

/** As the sync says of itself (04_jobs.sql, record_hand_edit): nothing is said to be made by hand. */
const quietly = "with quietly as materialized (select set_config('clerk_sync.actor', 'sync', true))";

/** A week of changes, more by day than by night and more each day, so that every chart has something to show. */
async function addFinishedJobs({ query }: System, ids: string[]): Promise<void> {
  await query(
    `${quietly}
     insert into job_queue (job_type, status, event_id, clerk_id, attempts, created_at, processed_at, priority)
     select 'USER_UPDATED', 'COMPLETED', 'msg_example_' || n, ($1::text[])[1 + n * 37 % 100], 1, t.at,
            t.at + interval '1 millisecond' * (70 + 900 * power(abs(hashint4(n)::bigint) % 1000 / 1000.0, 4)), 1
     from quietly, generate_series(1, 15000) as n,
          lateral (select power(n / 15000.0, 1.3)::double precision as part) as p, -- it has grown
          lateral (
            select now() - interval '4 seconds' - interval '7 days' * (p.part + 0.015 * sin(p.part * 14 * pi()))
              - interval '1 second' * (n * 7919 % 97) as at
          ) as t
     on conflict do nothing`,
    [ids],
  );
}

/** Supabase Auth was down for some minutes half an hour ago; a few jobs have not got over it. */
async function addTroubles({ query }: System, ids: string[]): Promise<string> {
  await query(
    `${quietly}
     insert into job_queue (job_type, status, event_id, clerk_id, attempts, error, created_at, run_at)
     select 'USER_UPDATED', 'FAILED', 'msg_failed_' || n, ($1::text[])[n], 2, 'auth_unavailable: Supabase Auth answered 503.',
            now() - interval '1 minute' * (30 + n), now() + interval '1 hour'
     from quietly, generate_series(1, 4) as n on conflict do nothing`,
    [ids],
  );
  await query(
    `insert into clerk_sync.metric_events (at, name, labels)
     select now() - case n % 3 when 0 then interval '3.4 hours' when 1 then interval '31 minutes' else interval '74 hours' end
              - interval '40 seconds' * (n % 11), 'failed_attempts', '{"code": "auth_unavailable"}'
     from generate_series(1, 60) as n`,
  );
  const [job] = await query(
    `${quietly}
     insert into job_queue (job_type, status, event_id, clerk_id, attempts, error, created_at, processed_at, history)
     select 'USER_CREATED', 'DEAD', 'msg_example_dead', $1, 15, e.error, t.at, t.at + interval '8 minutes',
            jsonb_build_array(
              jsonb_build_object('at', t.at, 'status', 'PENDING', 'attempt', 0),
              jsonb_build_object('at', t.at + interval '8 minutes', 'status', 'DEAD', 'attempt', 15, 'error', e.error)
            )
     from quietly, (select now() - interval '9 minutes' as at) as t,
          (select 'auth_rejected: Supabase Auth refuses this address: invalid format.'::text as error) as e
     on conflict do nothing returning id`,
    [idOf("somebody refused")],
  );
  return String(job?.["id"]);
}

/** Jobs that are older than what was counted already would be in no chart. */
async function countAnew({ query }: System): Promise<void> {
  await query("delete from clerk_sync.metric_counts");
  await query("update clerk_sync.metric_state set rolled_until = now() - interval '8 days'");
}
