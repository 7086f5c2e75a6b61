import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { errorMessage, SyncError } from "#core/errors.ts";
import { startEmbeddedPostgres } from "../local/postgres/embedded-postgres.ts";
import { withConnection } from "../server/with-connection.ts";
import { prepareDatabases } from "./open-database.ts";
import { type Run, readOptions } from "./options.ts";
import { writePage } from "./page.ts";
import { type Machine, storedFolder, writeResult } from "./results.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios/scenarios.ts";
import { formatRows } from "./table.ts";

const say = (line: string) => console.log(line);
const loadBefore = loadavg()[0] ?? 0;

/** Runs a scenario on a PostgreSQL of its own, with its defaults: what is measured is durable. */
async function runScenario(scenario: Scenario, { options, out, postgres }: Run): Promise<void> {
  const undo = createUndo();
  const interrupt = () => void undo.run().finally(() => process.exit(130));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const begun = performance.now();
  try {
    say(`\n${scenario.name}: ${scenario.question}`);
    const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-bench-"));
    undo.add(() => rm(folder, { recursive: true, force: true }));
    const settings = { max_connections: "300", ...scenario.postgres };
    const programs = postgres === null ? {} : { packageName: postgres };
    const { url, stop } = await startEmbeddedPostgres({ folder: path.join(folder, "postgres"), settings, ...programs });
    undo.add(stop);
    const createDatabase = await prepareDatabases(url);
    const rows = await scenario.run({ options, createDatabase, say, addUndo: undo.add });
    say(`\n${formatRows(rows, { withAims: true })}\n\n${Math.round((performance.now() - begun) / 1000)} s`);
    const machine = await describeMachine(await readVersion(url));
    const { name, question, notes } = scenario;
    const load = { before: loadBefore, after: loadavg()[0] ?? 0 };
    const [date, commit] = [new Date().toISOString(), readCommit()];
    const result = { scenario: name, question, date, commit, machine, load, options, notes: [...notes], rows };
    await writeResult(result, out ?? storedFolder);
    if (out === null) await writePage();
  } finally {
    process.removeListener("SIGINT", interrupt).removeListener("SIGTERM", interrupt);
    await undo.run();
  }
}

async function readVersion(url: string): Promise<string> {
  const { rows } = await withConnection(url, (client) => client.query("show server_version"));
  return rows[0].server_version;
}

try {
  const run = readOptions(
    process.argv.slice(2),
    scenarios.map(({ name }) => name),
  );
  for (const scenario of scenarios) if (run.names.includes(scenario.name)) await runScenario(scenario, run);
} catch (error) {
  console.error(`${error instanceof SyncError ? `${error.code}: ` : ""}${errorMessage(error)}`);
  if (!(error instanceof SyncError) && error instanceof Error) console.error(error.stack);
  process.exitCode = 1;
}

/** What the numbers are taken on. `postgres`: its version. */
async function describeMachine(postgres: string): Promise<Machine> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
    postgres,
    pgBoss: await readPackageVersion("pg-boss"),
    graphileWorker: await readPackageVersion("graphile-worker"),
  };
}

async function readPackageVersion(name: string): Promise<string> {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(file, "utf8")).version;
}

/** The commit that is checked out, with a + when files differ from it. */
function readCommit(): string {
  const options = { cwd: fileURLToPath(new URL("./", import.meta.url)), encoding: "utf8" } as const;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], options).trim();
  const measured = ["supabase", "server", "cli", "bench", ":!bench/results"];
  const changes = execFileSync("git", ["status", "--porcelain", "--", ...measured.map(fromRoot)], options);
  return changes === "" ? commit : `${commit}+`;
}

function fromRoot(name: string): string {
  return name.startsWith(":!") ? `:(top,exclude)${name.slice(2)}` : `:(top)${name}`;
}

/** What must be undone when something is over: in the opposite order, once, all of it whatever fails. */
function createUndo(): { add: (undo: () => Promise<unknown>) => void; run: () => Promise<void> } {
  const steps: (() => Promise<unknown>)[] = [];
  return {
    add: (undo) => void steps.push(undo),
    run: async () => {
      const failures: unknown[] = [];
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        await step().catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw new AggregateError(failures, "not all could be undone");
    },
  };
}
