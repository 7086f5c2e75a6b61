import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClerkApiUser } from "../../../local/clerk/item-store.ts";
import { runCli } from "../processes/run-cli.ts";
import { waitFor } from "../processes/wait-for.ts";
import {
  createTeamProject,
  type Home,
  migrateTeam,
  type StartHome,
  signIn,
  type TeamProject,
} from "../systems/team-system.ts";
import { postEvent } from "../webhook/post-event.ts";
import type { Part, Step, TeamCase } from "./team-cases.ts";
import { teamTables } from "./team-tables.ts";

/** Says of a case what holds, a test each: whatever runs the sync, the same events make the same rows. */
export function describeCase(teamCase: TeamCase, startHome: StartHome): void {
  describe(teamCase.name, () => {
    let play: Play;
    beforeAll(async () => {
      play = await startPlay(teamCase, startHome);
    });
    afterAll(() => play?.stop());

    for (const part of teamCase.parts) {
      for (const step of part.steps) it(step.that, () => play.take(part, step));
    }
    if (teamCase.unchanged !== undefined) {
      it("what the owner had set up is as it was", () => play.compareUnchanged());
    }
  });
}

type Play = Awaited<ReturnType<typeof startPlay>>;

async function startPlay({ table, before = "", unchanged }: TeamCase, startHome: StartHome) {
  const project = await createTeamProject(`${teamTables[table]} ${before}`);
  const read = async (sql: string) => (await project.pool.query(sql)).rows;
  const atFirst = unchanged === undefined ? null : await read(unchanged);
  let current: { part: Part; home: Home } | null = null;
  const enter = async (part: Part): Promise<Home> => {
    if (current?.part === part) return current.home;
    await current?.home.stop();
    current = null;
    const home = await startHome(project, await migrateTeam(project, part.file));
    current = { part, home };
    return home;
  };
  return {
    take: async (part: Part, step: Step) => {
      const home = await enter(part);
      if (step.sql !== undefined) await project.pool.query(step.sql);
      if (step.relinksTo !== undefined) await relink(project, step.relinksTo);
      for (const event of step.events ?? []) await deliver(project, home, event);
      await settle(project.pool, home);
      if (step.signsIn !== undefined) await ensure(project, home, step.signsIn);
      expect(await read(step.query)).toEqual(step.rows);
    },
    compareUnchanged: async () => {
      expect(atFirst).not.toEqual([]);
      expect(await read(unchanged ?? "")).toEqual(atFirst);
    },
    stop: async () => {
      await current?.home.stop();
      await project.stop();
    },
  };
}

/** Clerk has the user as the newest of its events says; the event comes by a signed webhook. */
async function deliver({ clerk }: TeamProject, home: Home, event: NonNullable<Step["events"]>[number]): Promise<void> {
  if ("deleted" in event.data) clerk.users.delete(event.data.id ?? "");
  else setAtClerk(clerk, event.data);
  const { status } = await postEvent(home, event);
  expect([200, 202]).toContain(status);
}

function setAtClerk({ users }: TeamProject["clerk"], user: ClerkApiUser): void {
  if ((users.get(user.id)?.updated_at ?? 0) <= user.updated_at) users.set(user.id, user);
}

/** Lets the processor work until no job is open. */
async function settle(pool: pg.Pool, { url, secretKey }: Home): Promise<void> {
  await waitFor("an empty queue", async () => {
    const response = await fetch(`${url}/functions/v1/user-job-processor`, {
      method: "POST",
      headers: { apikey: secretKey },
    });
    expect(await response.json()).toMatchObject({ success: true, failed: 0, dead: 0 });
    const open = "select count(*)::int as n from public.job_queue where status not in ('COMPLETED', 'CANCELLED')";
    return (await pool.query(open)).rows[0].n === 0;
  });
}

/** A user signs in of whom no event has come: the app asks ensure-user for the row. */
async function ensure(project: TeamProject, home: Home, user: ClerkApiUser): Promise<void> {
  setAtClerk(project.clerk, user);
  const token = await signIn(project, user.id);
  const response = await fetch(`${home.ensureUrl}/functions/v1/ensure-user`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  expect({ status: response.status, body: await response.json() }).toMatchObject({ status: 200 });
}

/** The people of an instance have other ids in another one; the owner gives the rows their new ids by the command. */
async function relink(project: TeamProject, users: readonly ClerkApiUser[]): Promise<void> {
  project.clerk.users.clear();
  for (const user of users) setAtClerk(project.clerk, user);
  const environment = { ...project.clerkEnvironment, DATABASE_URL: project.databaseUrl };
  const done = await runCli(["users", "relink", "--yes"], environment);
  expect(done.stderr).toBe("");
}
