import path from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import {
  type EmbeddedPostgres,
  findFreePort,
  newDatabasePassword,
  startEmbeddedPostgres,
} from "../../../local/postgres/embedded-postgres.ts";
import { createServerFolder, startServerProcess } from "../../support/processes/server-process.ts";
import { soak } from "../../support/processes/soak.ts";
import { createTestFolder } from "../../support/processes/test-folder.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { countEffects, deliverAll, expireLeases, isQuiet } from "../../support/webhook/deliver-all.ts";

let folder: Awaited<ReturnType<typeof createTestFolder>>;
let postgres: EmbeddedPostgres;
let pool: pg.Pool;
const cleanUp: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await createTestFolder();
  postgres = await startPostgres(await findFreePort());
});
afterEach(async () => {
  await pool?.end();
  for (const step of cleanUp.splice(0).reverse()) await step();
});
afterAll(async () => {
  await postgres?.stop();
  await folder?.remove();
});

const password = newDatabasePassword();
const startPostgres = (port: number) =>
  startEmbeddedPostgres({
    folder: path.join(folder.path, "postgres"),
    port,
    password,
    settings: { max_connections: "200" },
  });

/** A PostgreSQL whose postmaster was killed leaves processes that take a moment to notice. */
async function killAndStartPostgres(): Promise<void> {
  const port = Number(new URL(postgres.url).port);
  process.kill(postgres.pid, "SIGKILL");
  await postgres.ended;
  await waitFor("PostgreSQL to start again", () =>
    startPostgres(port).then(
      (started) => {
        postgres = started;
        return true;
      },
      () => false,
    ),
  );
}

/** A server process of its own on a database of its own. */
async function createDatabase(name: string): Promise<string> {
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  pool = new pg.Pool({ connectionString: url.href });
  pool.on("error", () => undefined); // the database is killed in these tests
  return url.href;
}

async function startServer(databaseUrl: string) {
  const serverFolder = await createServerFolder();
  const server = await startServerProcess(serverFolder.path, {
    DATABASE_URL: databaseUrl,
    PORT: String(serverFolder.port),
  });
  cleanUp.push(async () => {
    await server.end("SIGTERM");
    await serverFolder.remove();
  });
  return server;
}

it("PostgreSQL is killed under load: every event that was answered 2xx is in effect once", async () => {
  const load = { users: 500 * soak, versions: 4 };
  const [events, mostKills] = [2000 * soak, 2 * soak];
  const server = await startServer(await createDatabase("killed"));
  const kills: Promise<void>[] = [];
  const sent = await deliverAll(
    load,
    () => server.settings,
    (count) => {
      if (count % 700 === 0 && kills.length < mostKills) kills.push(killAndStartPostgres());
    },
  );
  await Promise.all(kills);
  await expireLeases(pool);
  await waitFor("an empty queue", () => isQuiet(pool));

  const result = await countEffects(pool, load);
  console.log(
    `${kills.length} kills, ${events} events accepted after ${sent} deliveries, ${result.rescued} jobs rescued`,
  );
  expect(result).toMatchObject({ jobs: events, events, rows: load.users, mirrored: load.users });
  expect(kills).toHaveLength(mostKills);
  expect(sent).toBeGreaterThan(events);
});

it("a worker frozen past its lease and let go on leaves nothing older than what others did meanwhile", async () => {
  const load = { users: 300, versions: 3 };
  const url = await createDatabase("frozen");
  const [frozen, other] = [await startServer(url), await startServer(url)];
  cleanUp.push(async () => void frozen.process.kill("SIGCONT")); // one that is frozen would not end
  const isLeasing = async () => {
    const { rows } = await pool.query("select count(*)::int as n from job_queue where status = 'PROCESSING'");
    return rows[0].n > 0;
  };
  let target = frozen.settings;
  const freeze = waitFor("a lease", isLeasing).then(() => {
    frozen.process.kill("SIGSTOP");
    target = other.settings;
  });
  await deliverAll(load, () => target);
  await freeze;
  await expireLeases(pool);
  // A call that was under way when its worker was frozen may lease after that: for a minute, and until the next rescue.
  await waitFor("the other worker", () => isQuiet(pool), 90);
  const before = await countEffects(pool, load);
  frozen.process.kill("SIGCONT");
  await waitFor("what the frozen worker lost", async () => (await countEffects(pool, load)).repaired > 0);
  await waitFor("an empty queue", () => isQuiet(pool));

  const after = await countEffects(pool, load);
  console.log(`frozen with ${after.rescued} jobs in hand, ${after.repaired} users mirrored again afterwards`);
  expect(before).toMatchObject({ jobs: 900, events: 900, rows: load.users });
  expect(before.rescued).toBeGreaterThan(0);
  expect(after).toMatchObject({ jobs: 900, events: 900, rows: load.users, mirrored: load.users });
});
