import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createServerFolder, startServerProcess } from "../../support/processes/server-process.ts";
import { soak } from "../../support/processes/soak.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { countEffects, deliverAll, expireLeases, isQuiet } from "../../support/webhook/deliver-all.ts";

const load = { users: 1000 * soak, versions: 5 };
const mostKills = 3 * soak;
const eventCount = load.users * load.versions;

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

async function killAndStart(): Promise<void> {
  await server.end("SIGKILL");
  await start();
}

it(`${eventCount} events that were answered 2xx are in effect once, although the server is killed ${mostKills} times`, async () => {
  const { settings } = server;
  const kills: Promise<void>[] = [];
  const sent = await deliverAll(
    load,
    () => settings,
    (count) => {
      if (count % 1250 === 0 && kills.length < mostKills) kills.push(killAndStart());
    },
  );
  await Promise.all(kills);
  const pool = new pg.Pool({ connectionString: server.settings.databaseUrl });
  pool.on("error", () => undefined); // the database may end before the pool when the test fails
  await expireLeases(pool);
  await waitFor("an empty queue", () => isQuiet(pool));

  const result = await countEffects(pool, load);
  console.log(
    `${kills.length} kills, ${eventCount} events accepted after ${sent} deliveries, ${result.rescued} jobs rescued`,
  );
  expect(result).toMatchObject({ jobs: eventCount, events: eventCount, rows: load.users, mirrored: load.users });
  expect(kills).toHaveLength(mostKills);
  expect(sent).toBeGreaterThan(eventCount);
  await pool.end();
});
