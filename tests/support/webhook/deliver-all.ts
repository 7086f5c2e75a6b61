import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { userEvent } from "../clerk/build-event.ts";
import { postEvent, type Target } from "./post-event.ts";

/** Events of many users: every user is changed `versions` times, in rounds over all users. */
export type Load = { users: number; versions: number };

const connections = 20;

/**
 * Delivers all events of a load as Svix does: again, with the same id, on anything but 2xx. `targetOf` says where
 * a delivery goes; `onAccepted` is told how many events were accepted so far. Returns how often it sent.
 */
export async function deliverAll(
  { users, versions }: Load,
  targetOf: () => Target,
  onAccepted: (count: number) => void = () => undefined,
): Promise<number> {
  let next = 0;
  let accepted = 0;
  let sent = 0;
  const work = async () => {
    while (next < users * versions) {
      const deliveries = await deliver(next++, users, targetOf);
      sent += deliveries; // not `sent += await`: that would add to what sent was before the wait
      onAccepted(++accepted);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return sent;
}

async function deliver(place: number, users: number, targetOf: () => Target): Promise<number> {
  const version = Math.floor(place / users) + 1;
  const event = userEvent("user.updated", { id: `user_${place % users}`, version, firstName: `V${version}` });
  for (let sent = 1; sent <= 600; sent++) {
    const status = await Promise.race([
      postEvent(targetOf(), event, `msg_${place}`).then(
        (answer) => answer.status,
        () => 0,
      ),
      delay(2000, 0, { ref: false }), // as Svix after 15 s: no answer is no answer
    ]);
    if (status >= 200 && status < 300) return sent;
    await delay(100);
  }
  throw new Error(`event ${place} was never accepted`);
}

export type LoadResult = {
  jobs: number;
  events: number;
  /** Users whose row, and whose Auth user, is at the newest version. */
  rows: number;
  mirrored: number;
  /** Jobs whose lease ran out, and mirrors repeated because a worker had lost its lease. */
  rescued: number;
  repaired: number;
};

/** What is in effect of a load, counted in the database. */
export async function countEffects(pool: pg.Pool, { versions }: Load): Promise<LoadResult> {
  const name = `V${versions} Lovelace`;
  const { rows } = await pool.query<LoadResult>(
    `select
       (select count(*)::int from job_queue where source = 'webhook') as jobs,
       (select count(distinct event_id)::int from job_queue where source = 'webhook') as events,
       (select count(*)::int from users where name = $1) as rows,
       (select count(*)::int from auth.users where raw_user_meta_data ->> 'full_name' = $1) as mirrored,
       (select count(*)::int from job_queue where history::text like '%lease_expired%') as rescued,
       (select count(*)::int from job_queue where source = 'lease_lost') as repaired`,
    [name],
  );
  const [result] = rows;
  if (result === undefined) throw new Error("nothing was counted");
  return result;
}

/** Lets a minute pass for the queue: the leases of the dead run out. */
export async function expireLeases(pool: pg.Pool): Promise<void> {
  await pool.query("select clerk_sync_rescue_jobs(5000, now() + interval '61 seconds')");
}

/** True when every job is finished; those that wait for their backoff or for a service are made due. */
export async function isQuiet(pool: pg.Pool): Promise<boolean> {
  await pool.query("update job_queue set run_at = now() where status = 'FAILED' and run_at > now()");
  await pool.query("select clerk_sync_reset_circuit(name) from clerk_sync.circuits where state <> 'closed'");
  const { rows } = await pool.query("select count(*)::int as n from job_queue where processed_at is null");
  return rows[0].n === 0;
}
