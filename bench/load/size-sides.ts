import pg from "pg";
import type { NewJob } from "#core/database/database.ts";
import { createAcceptEvents } from "#core/webhook/accept-events.ts";
import { createCallFunction } from "../../server/call-function.ts";
import { openPool } from "../open-database.ts";
import { clerkSync } from "../peers/clerk-sync.ts";
import { type OpenPeer, slices } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { queryOf, toUserRow, upsertUsers } from "../peers/upsert-users.ts";

/** What fills tables with users, by events or without. */
export type SizeSide = {
  name: string;
  open: (url: string) => Promise<OpenSizeSide>;
};

export type OpenSizeSide = {
  /** Queues the jobs and works through them. */
  queue: (jobs: readonly NewJob[]) => Promise<void>;
  /** Writes rows as soon as it can: in the call that takes the event, where there is such a call. */
  apply: (jobs: readonly NewJob[]) => Promise<void>;
  close: () => Promise<unknown>;
};

const batch = 500;
const maxAttempts = 15;
const rules = { deleteMode: "hard", deleteBrake: null, mirrors: false } as const;

/** The queue as workers take it, and the call of the webhook, which shares commits among events that come at once. */
export const clerkSyncTables: SizeSide = {
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
export const pgBossTables: SizeSide = {
  name: pgBoss.name,
  open: async (url) => {
    const peer = await pgBoss.open(url, 10);
    const queue = (jobs: readonly NewJob[]) => workThrough(peer, jobs);
    return { queue, apply: queue, close: peer.close };
  },
};

/** What the migrations add to a users table. */
const takeOursAway = `
  alter table public.users drop column preferences, drop column medical_profile, drop column deleted_at;
  do $$
  declare
    v_index regclass;
  begin
    for v_index in
      select i.indexrelid from pg_index as i where i.indrelid = 'public.users'::regclass and i.indexrelid::regclass::text like 'clerk_sync_%'
    loop
      execute format('drop index %s', v_index);
    end loop;
  end
  $$`;

/** The table as a project has it that was not made for us, with its own constraints, written by one upsert a batch. */
export const bareTable: SizeSide = {
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
