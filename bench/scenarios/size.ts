import { createHash } from "node:crypto";
import pg from "pg";
import type { NewJob } from "#core/database/database.ts";
import { createAcceptEvents } from "#core/webhook/accept-events.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { eventBody, makeJob } from "../load/payload.ts";
import { makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { type OpenPeer, slices } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { queryOf, toUserRow, upsertUsers } from "../peers/upsert-users.ts";
import type { Context, Scenario } from "../scenario.ts";

/** What fills tables with users, by events or without. */
type SizeSide = {
  name: string;
  open: (url: string) => Promise<OpenSizeSide>;
};

type OpenSizeSide = {
  /** Queues the jobs and works through them. */
  queue: (jobs: readonly NewJob[]) => Promise<void>;
  /** Writes rows as soon as it can: in the call that takes the event, where there is such a call. */
  apply: (jobs: readonly NewJob[]) => Promise<void>;
  close: () => Promise<unknown>;
};

const batch = 500;
const maxAttempts = 15;
const rules = { deleteBrake: null, mirrors: false } as const;

/** The queue as workers take it, and the call of the webhook, which shares commits among events that come at once. */
const clerkSyncTables: SizeSide = {
  name: clerkSync.name,
  open: async (url) => {
    const peer = await clerkSync.open(url, 10);
    const pool = openPool(url, 2);
    const accept = createAcceptEvents({ call: createCallFunction(pool), apply: rules });
    return {
      queue: (jobs) => workThrough(peer, jobs),
      apply: async (jobs) => {
        for (const slice of slices(jobs, batch)) await accept(slice, maxAttempts);
      },
      close: () => Promise.all([peer.close(), pool.end()]),
    };
  },
};

/** Keeps finished jobs as we do, for a week unless told otherwise. */
const pgBossTables: SizeSide = {
  name: pgBoss.name,
  open: async (url) => {
    const peer = await pgBoss.open(url, 10);
    const queue = (jobs: readonly NewJob[]) => workThrough(peer, jobs);
    return { queue, apply: queue, close: peer.close };
  },
};

/** What the migrations add to a users table. */
const takeOursAway =
  "alter table public.users drop column preferences, drop column medical_profile, drop column deleted_at";

/** The table as a project has it that was not made for us, with its own constraints, written by one upsert a batch. */
const bareTable: SizeSide = {
  name: "bare table",
  open: async (url) => {
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    await pool.query(takeOursAway);
    const write = async (jobs: readonly NewJob[]) => {
      for (const slice of slices(jobs, batch)) await upsertUsers(queryOf(pool), slice.map(toUserRow));
    };
    return { queue: write, apply: write, close: () => pool.end() };
  },
};

async function workThrough({ fill, drain }: OpenPeer, jobs: readonly NewJob[]): Promise<void> {
  if (fill === null || drain === null) throw new TypeError("no queue to work through");
  await fill(jobs);
  await drain(1, jobs.length);
}

const sides: readonly SizeSide[] = [clerkSyncTables, pgBossTables, bareTable];
const [ours, boss, bare] = [clerkSyncTables.name, pgBossTables.name, bareTable.name];
const before = "before the purge";
/** Parts in which the events of all users come. */
const parts = 10;
/** Of each user, after the first event. */
const updates = 2;
/** Events right after a checkpoint, each of a user far from the last one's. */
const coldEvents = 500;
const retentionDays = 30;
const purgeLimit = 5000;

/** Bytes in all; null: the side has none of it. */
type Sizes = { users: number; state: number | null; jobs: number | null };
/** Bytes of WAL in all. */
type Wal = { created: number; updated: number; cold: number };
type Measured = { sizes: Sizes; wal: Wal };
type Purged = { after: number; again: number };

/** What does the sync cost in disk? */
export const size: Scenario = {
  name: "size",
  question: "how many bytes of disk does a user take, and a finished job?",
  notes: [
    `So many users (\`--users\`) come in through the queue, and change their name ${updates} times each, with a vacuum after every tenth of the users; then the tables are measured with their indexes and TOAST, and divided by users, or by finished jobs, of which there are ${updates + 1} for each user. Once for each side, not in rounds. The vacuums stand for an autovacuum that keeps up: where it does not, dead rows come on top, half as much and more. Ids are as long as Clerk's and Svix's and grow as theirs do; addresses have 44 characters, more than most.`,
    `${ours}: new users by \`clerk_sync_enqueue\` and the worker's loop, updates by the call of the webhook, which writes the row at once. ${boss} queues both, and keeps its finished jobs as well. ${bare}: the users table without the columns that the migrations add to it, upserted 500 rows a statement.`,
    `WAL is what replicas and point-in-time recovery are fed with. Right after a checkpoint PostgreSQL writes whole pages: ${coldEvents} events, each of a user far from the last one's, show what an event costs whose pages nobody else has touched since.`,
    "The purge takes the oldest third of the jobs, as retention does: the file keeps its size, and what comes next takes the space. All bytes of these two rows are divided by the jobs that were there before.",
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const measured = new Map<string, Measured>();
  let purged: Purged | null = null;
  for (const [place, side] of sides.entries()) {
    const url = await context.createDatabase(`size_${place}`);
    const pool = openPool(url, 1);
    context.addUndo(() => pool.end());
    const open = await side.open(url);
    context.addUndo(open.close);
    measured.set(side.name, await measure(context, side.name, open, pool));
    if (side.name === ours) purged = await measurePurge(context, open, pool);
  }
  const { users } = context.options;
  return [...sizeRows(measured, users), ...walRows(measured, users), ...purgeRows(measured, purged, users)];
}

async function measure({ options, say }: Context, name: string, open: OpenSizeSide, pool: pg.Pool): Promise<Measured> {
  const places = Array.from({ length: options.users }, (_, place) => place);
  say(`${name}: ${options.users.toLocaleString("en-US")} users …`);
  const created = await walOf(pool, () => writeAll(open.queue, places, 0, pool));
  let updated = 0;
  for (let version = 1; version <= updates; version++) {
    say(`${name}: each of them changes …`);
    updated += await walOf(pool, () => writeAll(open.apply, places, version, pool));
  }
  await pool.query("vacuum analyze");
  const sizes = await readSizes(pool);
  const far = places.filter((place) => place % Math.ceil(options.users / coldEvents) === 0);
  await pool.query("checkpoint");
  const cold = (await walOf(pool, () => open.apply(far.map((place) => jobOf(place, updates + 1))))) / far.length;
  const result = { sizes, wal: { created, updated, cold } };
  say(`${name}: ${JSON.stringify(result)}`);
  return result;
}

/** Purges the jobs by which the users came, and lets as many come again. */
async function measurePurge({ options, say }: Context, open: OpenSizeSide, pool: pg.Pool): Promise<Purged> {
  say(`${ours}: purging …`);
  const { rows } = await pool.query<{ at: Date }>(
    "select max(processed_at) + interval '1 second' as at from public.job_queue where version = (select min(version) from public.job_queue)",
  );
  for (let left = options.users; left > 0; ) {
    const statement =
      "select public.clerk_sync_purge_jobs($1, $2, $3::timestamptz + make_interval(days => $1)) as count";
    const answer = await pool.query<{ count: number }>(statement, [retentionDays, purgeLimit, rows[0]?.at]);
    left -= answer.rows[0]?.count ?? 0;
  }
  await pool.query("vacuum analyze");
  const after = (await readSizes(pool)).jobs ?? 0;
  const places = Array.from({ length: options.users }, (_, place) => place);
  await writeAll(open.apply, places, updates + 2, pool);
  await pool.query("vacuum analyze");
  const again = (await readSizes(pool)).jobs ?? 0;
  say(`${ours}: ${JSON.stringify({ after, again })}`);
  return { after, again };
}

/** Vacuums as often as autovacuum would if it all came more slowly: the quicker side must not be the more bloated one. */
async function writeAll(
  write: OpenSizeSide["queue"],
  places: readonly number[],
  version: number,
  pool: pg.Pool,
): Promise<void> {
  for (const part of slices(places, Math.ceil(places.length / parts))) {
    await write(part.map((place) => jobOf(place, version)));
    await pool.query("vacuum");
  }
}

function jobOf(place: number, version: number): NewJob {
  const body = eventBody(idOf("user", place, 0), version);
  return makeJob(idOf("msg", place, version), body);
}

/** As long as an id of Clerk or Svix, and like theirs first by time and then by chance. */
function idOf(kind: "user" | "msg", place: number, version: number): string {
  const time = (version * 10_000_000 + place).toString(36).padStart(6, "0");
  const chance = createHash("sha256").update(`${kind} ${place} ${version}`).digest("base64url");
  return `${kind}_2${time}${chance.replaceAll(/[-_]/g, "x").slice(0, 20)}`;
}

async function walOf(pool: pg.Pool, work: () => Promise<void>): Promise<number> {
  const read = async () => (await pool.query<{ at: string }>("select pg_current_wal_insert_lsn() as at")).rows[0]?.at;
  const start = await read();
  await work();
  const statement = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::float8 as bytes";
  const { rows } = await pool.query<{ bytes: number }>(statement, [start]);
  return rows[0]?.bytes ?? 0;
}

/** pg-boss has a table for each queue in its schema; the rest there is next to nothing. */
async function readSizes(pool: pg.Pool): Promise<Sizes> {
  const { rows } = await pool.query<Sizes & { pg_boss: number | null; rows: number }>(
    `select
       pg_total_relation_size('public.users')::float8 as users,
       (pg_total_relation_size('clerk_sync.records') + pg_total_relation_size('clerk_sync.user_state'))::float8 as state,
       pg_total_relation_size('public.job_queue')::float8 as jobs,
       (
         select sum(pg_total_relation_size(c.oid))::float8
         from pg_class as c
         where c.relkind = 'r' and c.relnamespace = to_regnamespace('pgboss')
       ) as pg_boss,
       (select count(*) from public.job_queue)::int4 as rows`,
  );
  const [row] = rows;
  if (row === undefined) throw new RangeError("no sizes");
  const isOurs = row.rows > 0;
  return { users: row.users, state: isOurs ? row.state : null, jobs: isOurs ? row.jobs : row.pg_boss };
}

function sizeRows(measured: ReadonlyMap<string, Measured>, users: number): Row[] {
  const jobs = users * (updates + 1);
  const both = ({ users: row, state }: Sizes) => row + (state ?? 0);
  const per = (names: readonly string[], count: number, bytes: (sizes: Sizes) => number | null) =>
    Object.fromEntries(names.map((name) => [name, [(bytes(sizesOf(measured, name)) ?? 0) / count]]));
  const own = { unit: "bytes", of: ours, against: [bare] };
  const rowBytes = per([ours, bare], users, both);
  return [
    makeRow({ what: "public.users, of a user", ...own, sides: per([ours, bare], users, ({ users: bytes }) => bytes) }),
    makeRow({
      what: "clerk_sync.records and user_state, of a user",
      ...own,
      sides: { ...per([ours], users, ({ state }) => state), [bare]: rowBytes[bare] ?? [] },
    }),
    makeRow({ what: "both, of a user", ...own, sides: rowBytes }),
    makeRow({
      what: "the queue, of a finished job",
      ...own,
      sides: per([ours, boss], jobs, (sizes) => sizes.jobs),
      against: [boss],
    }),
  ];
}

function walRows(measured: ReadonlyMap<string, Measured>, users: number): Row[] {
  const rowOf = (what: string, bytes: (wal: Wal) => number) =>
    makeRow({
      what,
      unit: "bytes",
      sides: Object.fromEntries([...measured].map(([name, { wal }]) => [name, [bytes(wal)]])),
      of: ours,
      against: [boss],
    });
  return [
    rowOf("WAL of a new user, queued and worked through", ({ created }) => created / users),
    rowOf("WAL of an update, applied at once", ({ updated }) => updated / (users * updates)),
    rowOf("WAL of an update, right after a checkpoint", ({ cold }) => cold),
  ];
}

function purgeRows(measured: ReadonlyMap<string, Measured>, purged: Purged | null, users: number): Row[] {
  const jobs = users * (updates + 1);
  const [first, { after, again }] = [sizesOf(measured, ours).jobs ?? 0, purged ?? { after: 0, again: 0 }];
  const rowOf = (what: string, bytes: number) =>
    makeRow({
      what,
      unit: "bytes",
      sides: { [ours]: [bytes / jobs], [before]: [first / jobs] },
      of: ours,
      against: [before],
    });
  return [rowOf("the queue, when a third was purged", after), rowOf("the queue, when as many jobs came again", again)];
}

function sizesOf(measured: ReadonlyMap<string, Measured>, name: string): Sizes {
  const one = measured.get(name);
  if (one === undefined) throw new RangeError(`${name} was not measured`);
  return one.sizes;
}
