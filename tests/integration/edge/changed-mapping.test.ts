import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { type EdgeHost, startEdgeHost } from "../../support/edge/edge-host.ts";
import { teamFiles } from "../../support/mapping/configure-users.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";
import {
  createTeamProject,
  type Home,
  migrateTeam,
  signIn,
  startEdgeHome,
  type TeamProject,
} from "../../support/systems/team-system.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

// What happens between the migration and the deployment of the functions after clerk-sync.config.json changed, in whichever
// order the two come. Of two files one has a column more.

const many = teamFiles.profiles;
const { username: _username, ...fewColumns } = many.columns;
const few = { ...many, columns: fewColumns };

let host: EdgeHost;
let project: TeamProject;
let homes: Home[];
beforeAll(async () => {
  host = await startEdgeHost();
});
afterAll(() => host?.stop());
beforeEach(async () => {
  project = await createTeamProject(teamTables.profiles);
  homes = [];
});
afterEach(async () => {
  for (const home of homes) await home.stop();
  await project?.stop();
});

async function deploy(migrated: Awaited<ReturnType<typeof migrateTeam>>): Promise<Home> {
  const home = await startEdgeHome(host)(project, migrated);
  homes.push(home);
  return home;
}

const updated = (id: string, version: number, username: string) => {
  const event = userEvent("user.updated", { id, version });
  return { ...event, data: { ...event.data, username } };
};
const query = async (sql: string) => (await project.pool.query(sql)).rows;
const usernames = () => query("select id, username from public.profiles where id <> 'user_old1' order by id");
const reads = () => query("select id from clerk_sync.records where refresh_due_at is not null or absent is not null");

async function process({ url, secretKey }: Home): Promise<void> {
  const answer = await fetch(`${url}/functions/v1/user-job-processor`, {
    method: "POST",
    headers: { apikey: secretKey },
  });
  expect(answer.status).toBe(200);
}

async function ensure({ ensureUrl }: Home, id: string): Promise<void> {
  project.clerk.users.set(id, updated(id, 1, "ensured").data);
  const headers = { authorization: `Bearer ${await signIn(project, id)}` };
  expect((await fetch(`${ensureUrl}/functions/v1/ensure-user`, { method: "POST", headers })).status).toBe(200);
}

/** Which programs health names, after an hour has passed. */
async function named({ url, secretKey }: Home): Promise<string | null> {
  await query("update clerk_sync.mappings set changed_at = changed_at - interval '1 hour'");
  await query(
    "update clerk_sync.programs set since = since - interval '1 hour', seen_at = seen_at - interval '1 hour'",
  );
  const answer = await fetch(`${url}/functions/v1/sync-health`, { headers: { apikey: secretKey } });
  const { reasons } = (await answer.json()) as { reasons: { code: string; what: string; remedy: string }[] };
  const differs = reasons.find(({ code }) => code === "mapping_differs");
  if (differs === undefined) return null;
  expect(differs.remedy).toMatch(/^Deploy the functions/);
  return /: (.+?)\. /.exec(differs.what)?.[1] ?? "";
}
const noted = async (...programs: string[]) =>
  expect
    .poll(async () => (await query("select distinct name from clerk_sync.programs order by 1")).map(({ name }) => name))
    .toEqual(programs);

describe("after the database was migrated", () => {
  it("functions that are not deployed yet take every event, leave the new column, ask for no read, and are named", async () => {
    const old = await deploy(await migrateTeam(project, few));
    await postEvent(old, updated("user_a", 1, "one"));
    await migrateTeam(project, many);
    await query("update public.profiles set username = 'own' where id = 'user_a'");
    for (const id of ["user_a", "user_b"]) await postEvent(old, updated(id, 2, "two"));
    await process(old);
    await ensure(old, "user_c");
    await noted("clerk-webhook", "ensure-user", "user-job-processor");
    expect(await usernames()).toEqual([
      { id: "user_a", username: "own" },
      { id: "user_b", username: null },
      { id: "user_c", username: null },
    ]);
    expect(await reads()).toEqual([]);
    expect(await named(old)).toBe("clerk-webhook, ensure-user, sync-health, user-job-processor");
  });

  it("a function that was left out of the deployment is the one that is named", async () => {
    const old = await deploy(await migrateTeam(project, few));
    await postEvent(old, updated("user_a", 1, "one"));
    await process(old);
    await ensure(old, "user_c");
    await noted("clerk-webhook", "ensure-user", "user-job-processor");
    await query("update clerk_sync.programs set seen_at = seen_at - interval '1 hour'"); // the deployment takes a while
    const whole = await deploy(await migrateTeam(project, many));
    await postEvent(whole, updated("user_a", 2, "two"));
    await process(whole);
    const twice = "select name from clerk_sync.programs group by name having count(*) = 2 order by 1";
    await expect.poll(() => query(twice)).toEqual([{ name: "clerk-webhook" }, { name: "user-job-processor" }]);
    expect(await named(whole)).toBe("ensure-user");
    await ensure(whole, "user_d");
    await expect.poll(async () => (await query(twice)).length).toBe(3);
    expect(await usernames()).toEqual([
      { id: "user_a", username: "two" },
      { id: "user_c", username: null },
      { id: "user_d", username: "ensured" },
    ]);
  });

  it("functions that were all deployed are not named", async () => {
    const whole = await deploy(await migrateTeam(project, many));
    await postEvent(whole, updated("user_a", 1, "one"));
    await process(whole);
    await ensure(whole, "user_c");
    await noted("clerk-webhook", "ensure-user", "user-job-processor");
    expect(await named(whole)).toBeNull();
  });
});

it("functions that are deployed before the database is migrated bring nothing into it that it does not map", async () => {
  const mapping = await migrateTeam(project, many);
  await migrateTeam(project, few);
  const newer = await deploy(mapping);
  await postEvent(newer, updated("user_a", 1, "not-asked-for"));
  await ensure(newer, "user_c");
  await process(newer);
  await noted("clerk-webhook", "ensure-user", "user-job-processor");
  expect(
    await query("select id, full_name, username from public.profiles where id in ('user_a', 'user_c') order by id"),
  ).toEqual([
    { id: "user_a", full_name: "Ada Lovelace", username: null },
    { id: "user_c", full_name: "Ada Lovelace", username: null },
  ]);
  const payloads = await query("select payload::text as text from public.job_queue");
  expect(payloads).not.toEqual([]);
  for (const { text } of payloads) expect(text).not.toMatch(/username|not-asked-for|ensured/);
  expect(await reads()).toEqual([]);
  expect(await named(newer)).toBe("clerk-webhook, ensure-user, sync-health, user-job-processor");
});
