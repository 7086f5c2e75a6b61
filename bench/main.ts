import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { errorMessage, SyncError } from "#core/errors.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../server/postgres/embedded-postgres.ts";
import { type Run, readOptions } from "./read-options.ts";
import { describeMachine, readCommit, toTable, writeResult } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { history } from "./scenarios/history.ts";

const scenarios: readonly Scenario[] = [history];
const say = (line: string) => console.log(line);

/** Runs a scenario on a PostgreSQL of its own, with its defaults: what is measured is durable. */
async function runScenario(scenario: Scenario, { options, out }: Run): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-bench-"));
  let postgres: EmbeddedPostgres | undefined;
  const cleanUp = async () => {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const interrupt = () => void cleanUp().finally(() => process.exit(130));
  process.once("SIGINT", interrupt);
  try {
    say(`\n${scenario.name}: ${scenario.question}`);
    postgres = await startEmbeddedPostgres({ folder: path.join(folder, "postgres") });
    const rows = await scenario.run({ postgres, options, say });
    say(`\n${toTable(rows)}`);
    const machine = describeMachine(await readVersion(postgres.url));
    const date = new Date().toISOString();
    await writeResult({ scenario: scenario.name, date, commit: readCommit(), machine, options, rows }, out);
  } finally {
    process.removeListener("SIGINT", interrupt);
    await cleanUp();
  }
}

async function readVersion(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("show server_version");
  await client.end();
  return rows[0].server_version;
}

try {
  const run = readOptions(
    process.argv.slice(2),
    scenarios.map((scenario) => scenario.name),
  );
  for (const scenario of scenarios) if (run.names.includes(scenario.name)) await runScenario(scenario, run);
} catch (error) {
  console.error(`${error instanceof SyncError ? `${error.code}: ` : ""}${errorMessage(error)}`);
  process.exitCode = 1;
}
