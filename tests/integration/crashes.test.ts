import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../support/build-event.ts";
import { postEvent } from "../support/post-event.ts";
import { createServerFolder, type LocalSettings, startServerProcess } from "../support/server-process.ts";
import { waitFor } from "../support/wait-for.ts";

const users = 1000;
const versions = 5;

let folder: Awaited<ReturnType<typeof createServerFolder>>;
let server: Awaited<ReturnType<typeof startServerProcess>>;
const start = async () => {
  server = await startServerProcess(folder.path, { PORT: String(folder.port) });
};

beforeAll(async () => {
  folder = await createServerFolder();
  await start();
});
afterAll(async () => {
  await server?.end("SIGTERM");
  await folder?.remove();
});

/** Delivers as Svix does: again, with the same id, on anything but 2xx. Returns how often it was sent. */
async function deliver(settings: LocalSettings, place: number): Promise<number> {
  const version = Math.floor(place / users) + 1;
  const event = userEvent("user.updated", { id: `user_${place % users}`, version, firstName: `V${version}` });
  for (let sent = 1; sent <= 300; sent++) {
    const status = await postEvent(settings, event, `msg_${place}`).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status >= 200 && status < 300) return sent;
    await delay(100);
  }
  throw new Error(`event ${place} was never accepted`);
}

async function deliverAll(settings: LocalSettings, onAccepted: (count: number) => void): Promise<number> {
  let next = 0;
  let accepted = 0;
  let sent = 0;
  const work = async () => {
    while (next < users * versions) {
      const deliveries = await deliver(settings, next++);
      sent += deliveries; // not `sent += await`: that would add to what sent was before the wait
      onAccepted(++accepted);
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  return sent;
}

async function killAndStart(): Promise<void> {
  await server.end("SIGKILL");
  await start();
}

it("5,000 events that were answered 2xx are in effect once, although the server is killed three times", async () => {
  const kills: Promise<void>[] = [];
  const sent = await deliverAll(server.settings, (count) => {
    if (count % 1250 === 0 && kills.length < 3) kills.push(killAndStart());
  });
  await Promise.all(kills);
  const pool = new pg.Pool({ connectionString: server.settings.databaseUrl });
  pool.on("error", () => undefined); // the database may end before the pool when the test fails
  const one = async (sql: string) => (await pool.query(sql)).rows[0];
  // A minute later, when the leases of the dead have run out and their backoff is over.
  await pool.query("select clerk_sync_rescue_jobs(5000, now() + interval '61 seconds')");
  await waitFor("an empty queue", async () => {
    await pool.query("update job_queue set run_at = now() where status = 'FAILED' and run_at > now()");
    return (await one("select count(*)::int as n from job_queue where processed_at is null")).n === 0;
  });

  expect(
    await one(
      "select count(*)::int as jobs, count(distinct event_id)::int as events from job_queue where source = 'webhook'",
    ),
  ).toEqual({
    jobs: users * versions,
    events: users * versions,
  });
  expect(await one("select count(*)::int as n from users where name = 'V5 Lovelace'")).toEqual({ n: users });
  expect(
    await one("select count(*)::int as n from auth.users where raw_user_meta_data ->> 'full_name' = 'V5 Lovelace'"),
  ).toEqual({
    n: users,
  });
  const { rescued } = await one(
    "select count(*)::int as rescued from job_queue where history::text like '%lease_expired%'",
  );
  console.log(
    `${kills.length} kills, ${users * versions} events accepted after ${sent} deliveries, ${rescued} jobs rescued`,
  );
  expect(kills).toHaveLength(3);
  expect(sent).toBeGreaterThan(users * versions);
  await pool.end();
}, 180_000);
