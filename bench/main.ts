import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { errorMessage, SyncError } from "#core/errors.ts";
import { startEmbeddedPostgres } from "../local/postgres/embedded-postgres.ts";
import { withConnection } from "../server/with-connection.ts";
import { describeMachine, readCommit } from "./describe-machine.ts";
import { formatRows } from "./format-rows.ts";
import { prepareDatabases } from "./open-database.ts";
import { type Run, readOptions } from "./read-options.ts";
import { writeResult } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";
import { createUndo } from "./undo.ts";

const say = (line: string) => console.log(line);
const order = scenarios.map((scenario) => scenario.name);
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
    say(`\n${formatRows(rows)}\n\n${Math.round((performance.now() - begun) / 1000)} s`);
    const machine = await describeMachine(await readVersion(url));
    const { name, question, notes } = scenario;
    const load = { before: loadBefore, after: loadavg()[0] ?? 0 };
    const [date, commit] = [new Date().toISOString(), readCommit()];
    const result = { scenario: name, question, date, commit, machine, load, options, notes: [...notes], rows };
    await writeResult(result, out, order);
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
  const run = readOptions(process.argv.slice(2), order);
  for (const scenario of scenarios) if (run.names.includes(scenario.name)) await runScenario(scenario, run);
} catch (error) {
  console.error(`${error instanceof SyncError ? `${error.code}: ` : ""}${errorMessage(error)}`);
  if (!(error instanceof SyncError) && error instanceof Error) console.error(error.stack);
  process.exitCode = 1;
}
