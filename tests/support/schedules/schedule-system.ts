import type pg from "pg";
import type { ReadUser } from "#core/clerk/read-user.ts";
import type { UserFields } from "#core/config/mapping.ts";
import type { ReadOrder } from "#core/database/database.ts";
import {
  createDatabase,
  type Database,
  type JobOutcome,
  type MirrorOrder,
  type Read,
} from "#core/database/database.ts";
import { createAcceptEvents } from "#core/webhook/accept-events.ts";
import type { CircuitWatch } from "#core/worker/watch-circuit.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { createFakeAuthAdmin } from "../supabase/fake-auth-admin.ts";
import { type Model, readAt } from "./clerk-model.ts";
import { type Fault, type Schedule, workerCount } from "./schedule.ts";
import type { ScheduleTable } from "./schedule-tables.ts";

/** What a worker has in hand between its steps. */
export type Worker = {
  token: string;
  toRead: ReadOrder[];
  fresh: Read[];
  toMirror: MirrorOrder[];
  outcomes: JobOutcome[];
  /** What it saw of the services. */
  auth: CircuitWatch;
  clerk: CircuitWatch;
  leaseEnds: number;
};

/** One run of the system under a schedule: a database, Auth in memory, workers that move step by step. */
export type System = {
  pool: pg.Pool;
  database: Database;
  /** As the webhook stores events; every third goes into the queue only, as when its user is in other hands. */
  accept: Database["enqueue"];
  auth: ReturnType<typeof createFakeAuthAdmin>;
  readUser: ReadUser;
  workers: (Worker | null)[];
  undelivered: { event: unknown; id: string; place: number }[];
  faults: Fault[];
  limit: number;
  canRead: boolean;
  model: Model;
  prefix: string;
  rules: { fields: UserFields; deleteBrake: null };
  /** Seconds since the start, and how many of the changes at Clerk have happened. */
  clock: { seconds: number; start: number; changes: number };
};

/** What is played, on which table. */
export type Play = { table: ScheduleTable; schedule: Schedule; model: Model; prefix: string };

/** A system at rest, whose events are still to be delivered. */
export function createSystem({ table, schedule, model, prefix }: Play): System {
  const { pool } = table;
  const rules = { fields: table.fields, deleteBrake: null };
  const clock = { seconds: 0, start: Date.now(), changes: 0 };
  const callNow = createCallFunction(pool);
  const call: typeof callNow = (name, args) => callNow(name, { ...args, p_now: new Date(now(clock)) });
  const deliveries = model.changes.map(({ event }, place) => ({ event, id: `msg_${prefix}_${place}`, place }));
  const again = schedule.duplicates.flatMap((place) => deliveries[place % deliveries.length] ?? []);
  const dropped = new Set(droppedPlaces(schedule, model));
  return {
    pool,
    database: createDatabase(call),
    accept: createAcceptEvents({ call, apply: { mirrors: true, ...rules } }),
    auth: createFakeAuthAdmin(),
    readUser: async (clerkId) => {
      const user = readAt(model, clock.changes, clerkId);
      if (user === null) throw new Error(`${clerkId} was read before Clerk had it`);
      return user;
    },
    workers: Array.from({ length: workerCount }, () => null),
    undelivered: [...deliveries, ...again].filter(({ place }) => !dropped.has(place)),
    faults: [...schedule.faults],
    limit: schedule.limit,
    canRead: schedule.canRead,
    model,
    prefix,
    rules,
    clock,
  };
}

export function now({ start, seconds }: System["clock"]): number {
  return start + seconds * 1000;
}

export function droppedPlaces(schedule: Schedule, { changes }: Model): number[] {
  return changes.length === 0 || !schedule.canRead ? [] : schedule.dropped.map((place) => place % changes.length);
}
