import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deletedEvent, userEvent } from "../../support/clerk/build-event.ts";
import { toJob } from "../../support/database/queue.ts";
import { openPool } from "../../support/database/test-database.ts";
import type { LocalSettings } from "../../support/processes/server-process.ts";
import { startTestServer } from "../../support/processes/test-server.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { startEdgeSystem } from "../../support/systems/edge-system.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

/** What an owner put beside the table users, and what of it makes the jobs of some users fail. */
type Hostility = {
  name: string;
  /** Makes it hostile to users whose id begins with p_hostile. */
  install: string;
  remove: string;
  /** The hostile event is the deletion of a user with an order; else it is a sign-up. */
  deletes?: true;
  /** How its job fails: the code, SQLSTATE and constraint before the colon. */
  error: RegExp;
  /** A job that hangs has long attempts; only the first one is waited for. */
  hangs?: true;
};

const trigger = (body: string, when = "before insert") => `
  create function public.hostile() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
  create ${when.includes("deferred") ? "constraint trigger hostile after insert" : `trigger hostile ${when}`} on public.users
    ${when.includes("deferred") ? "deferrable initially deferred" : ""}
    for each row when (new.clerk_id like 'user\\_hostile%') execute function public.hostile();`;
const removeTrigger = "drop trigger hostile on public.users; drop function public.hostile()";

const hostilities: readonly Hostility[] = [
  {
    name: "a deferred foreign key",
    install: `
      create table public.orders (
        id serial primary key,
        user_id uuid not null references public.users (id) deferrable initially deferred
      );
      insert into public.orders (user_id) select u.id from public.users as u where u.clerk_id like 'user\\_hostile%'`,
    remove: "drop table public.orders",
    deletes: true,
    error: /^delete_blocked 23503 orders_user_id_fkey: .*delete softly/,
  },
  {
    name: "a deferred constraint trigger",
    install: trigger("raise exception 'no' using errcode = 'P0001', constraint = 'only_friends';", "deferred"),
    remove: removeTrigger,
    error: /^database_rejected P0001 only_friends: no/,
  },
  {
    name: "an assert",
    install: trigger("assert false, 'impossible';"),
    remove: removeTrigger,
    error: /^database_rejected P0004: impossible/,
  },
  {
    name: "a trigger that hangs",
    install: trigger("perform pg_sleep(60);"),
    remove: removeTrigger,
    error: /^database_timeout: /,
    hangs: true,
  },
];

type System = {
  settings: LocalSettings;
  pool: pg.Pool;
  /** Has the queue worked on, where nothing does by itself. */
  work: () => Promise<void>;
  stop: () => Promise<void>;
};

const environment = { MAX_ATTEMPTS: "2" };

async function startNode(): Promise<System> {
  const server = await startTestServer(environment);
  return { ...server, work: async () => undefined };
}

async function startEdge(): Promise<System> {
  const { settings, stop } = await startEdgeSystem(environment);
  const pool = openPool(settings.databaseUrl);
  const work = async () => {
    const response = await fetch(`${settings.url}/functions/v1/user-job-processor`, {
      method: "POST",
      headers: { apikey: settings.secretKey },
    });
    await response.body?.cancel();
  };
  // What is still worked on when a test ends is no concern of it.
  return { settings, pool, work: () => work().catch(() => undefined), stop: () => pool.end().then(stop) };
}

const crowd = 30;
const signUp = (id: string) => userEvent("user.created", { id, version: 1 });
const hostileIds = (name: string) => [0, 1, 2].map((place) => `user_hostile_${name}_${place}`);
const healthyIds = (name: string) => Array.from({ length: crowd }, (_, place) => `user_healthy_${name}_${place}`);

/** Two ways in: by the webhook, or (after an accept that left them) straight into the queue. */
type Way = { name: string; send: (system: System, event: unknown) => Promise<void> };

const ways: readonly Way[] = [
  {
    name: "webhook",
    send: async ({ settings }, event) => {
      const begun = Date.now();
      expect((await postEvent(settings, event)).status).toBe(202);
      // Two seconds for what hangs, and the rest for a busy machine. Svix hangs up after 15.
      expect(Date.now() - begun).toBeLessThan(10_000);
    },
  },
  {
    name: "worker",
    send: async ({ pool }, event) => {
      await pool.query("select clerk_sync_enqueue(p_jobs => $1, p_max_attempts => 2)", [
        JSON.stringify([toJob(event, `msg_${randomUUID()}`)]),
      ]);
    },
  },
];

describe.each([
  ["the Node server", startNode],
  ["the Edge Functions", startEdge],
])("with %s", (_home, start) => {
  let system: System;
  beforeAll(async () => {
    system = await start();
  });
  afterAll(() => system?.stop());

  const count = async (sql: string, ids: readonly string[]) => {
    const { rows } = await system.pool.query<{ n: number }>(`select count(*)::int as n from ${sql}`, [ids]);
    return rows[0]?.n ?? 0;
  };
  const present = (ids: readonly string[]) => count("public.users where clerk_id = any ($1)", ids);
  const reach = (what: string, check: () => Promise<boolean>) => {
    let isIdle = true;
    return waitFor(what, async () => {
      if (isIdle) {
        isIdle = false;
        void system.work().finally(() => {
          isIdle = true;
        });
      }
      return check();
    });
  };
  const jobsOf = async (ids: readonly string[]) => {
    const sql =
      "select status, attempts, error from public.job_queue where clerk_id = any ($1) and status in ('FAILED', 'DEAD')";
    return (await system.pool.query<{ status: string; attempts: number; error: string }>(sql, [ids])).rows;
  };

  describe.each(ways)("by the $name", (way) => {
    it.each(hostilities)("$name fails its own jobs alone, and they end", async ({ name, ...hostility }) => {
      const key = `${way.name}_${name.replaceAll(" ", "_")}`;
      const [hostile, healthy] = [hostileIds(key), healthyIds(key)];
      if (hostility.deletes) {
        await Promise.all(hostile.map((id) => postEvent(system.settings, signUp(id))));
        await reach("users to delete", async () => (await present(hostile)) === hostile.length);
      }
      await system.pool.query(hostility.install);
      const begun = Date.now();
      const event = (id: string) => (hostility.deletes ? deletedEvent({ id, version: 2 }) : signUp(id));
      await Promise.all([
        ...hostile.map((id) => way.send(system, event(id))),
        ...healthy.map((id) => way.send(system, signUp(id))),
      ]);
      await reach("the healthy users", async () => (await present(healthy)) === crowd);
      // Two seconds for a batch that is cut, half a second for each job that hangs, and the rest for a busy machine.
      expect(Date.now() - begun).toBeLessThan(15_000);
      await reach("the failures", async () => {
        const jobs = await jobsOf(hostile);
        return hostility.hangs
          ? jobs.length > 0
          : jobs.filter(({ status }) => status === "DEAD").length === hostile.length;
      });
      for (const { error, attempts } of await jobsOf(hostile)) {
        expect(error).toMatch(hostility.error);
        expect(attempts).toBeGreaterThan(0);
      }
      await system.pool.query(hostility.remove);
      await reach("the hostile users", async () => {
        // Again and again: an attempt that was under way may end later.
        await system.pool.query("update public.job_queue set status = 'PENDING' where status = 'DEAD'");
        return (await present(hostile)) === (hostility.deletes ? 0 : hostile.length);
      });
    });

    it("a lock on the table lets every event in, and they are applied when it is gone", async () => {
      const ids = healthyIds(`${way.name}_lock`);
      const holder = await system.pool.connect();
      await holder.query("begin; lock table public.users in access exclusive mode");
      try {
        await Promise.all(ids.map((id) => way.send(system, signUp(id))));
      } finally {
        await holder.query("rollback");
        holder.release();
      }
      await reach("the users", async () => (await present(ids)) === crowd);
      expect(await jobsOf(ids)).toEqual([]);
    });
  });
});
