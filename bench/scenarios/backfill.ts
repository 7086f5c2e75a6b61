import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { createClerkApi } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { storedFields } from "../../tests/support/clerk/root-fields.ts";
import { startClerk } from "../load/clerk-server.ts";
import { serveProduct } from "../load/serve-product.ts";
import { alternate, makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import { timed } from "../peers/peer.ts";
import { queryOf, upsertUsers } from "../peers/upsert-users.ts";
import type { Context, Scenario } from "../scenario.ts";

const secretKey = "sb_secret_bench_0123456789";
const [command, script] = ["clerk-sync backfill", "pages upserted by a script"];

/** How quickly are the users brought in that Clerk has already? */
export const backfill: Scenario = {
  name: "backfill",
  question: "how many users a second does a backfill bring in?",
  notes: [
    "From the start of `clerk-sync backfill` until it has seen every user of the Clerk stand-in (pages of 500, a process of its own) in the database, through the API of a local server and its queue, without the mirror; each round on a new database. `--jobs` is the number of users.",
    `${script}: reads the same pages one after the other and upserts each in one statement, with no queue and nothing to carry on from, and checks nothing afterwards.`,
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const { options, say, createDatabase, addUndo } = context;
  const clerk = startClerk();
  addUndo(clerk.stop);
  const { url, secretKey: clerkKey } = await clerk.ask("start", { users: options.jobs });
  const env = { CLERK_API_URL: url, CLERK_SECRET_KEY: clerkKey };
  const sides: [string, (database: string) => Promise<number>][] = [
    [command, (database) => measureCommand(database, env)],
    [script, (database) => timed(() => copyPages(database, { apiUrl: url, secretKey: clerkKey }))],
  ];
  const rates = await alternate("backfill", sides, { ...options, say }, async (side, round, name) => {
    const database = await createDatabase(`backfill_${name.length}_${round}`);
    const seconds = await side(database);
    await checkRows(database, options.jobs);
    return options.jobs / seconds;
  });
  const facts = {
    what: `${options.jobs.toLocaleString("en-US")} users`,
    unit: "users/s",
    of: command,
    against: [script],
  };
  return [makeRow({ ...facts, sides: Object.fromEntries(rates) })];
}

/** Seconds. The server is there before; what the command itself needs to start counts. */
async function measureCommand(database: string, env: Record<string, string>): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-bench-"));
  try {
    const server = await serveProduct(database, ["--local"], { SUPABASE_SECRET_KEY: secretKey }, folder);
    const url = `http://127.0.0.1:${server.port}`;
    return await timed(() => runBackfill(["--url", url, "--secret-key", secretKey], env)).finally(server.stop);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkRows(database: string, count: number): Promise<void> {
  const pool = openPool(database, 1);
  const { rows } = await pool.query("select count(*)::int4 as count from public.users").finally(() => pool.end());
  if (rows[0].count !== count) throw new RangeError(`${rows[0].count} of ${count} users are there`);
}

const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

/** Runs `clerk-sync backfill` in a process of its own; throws unless it says that every user is there. */
async function runBackfill(args: readonly string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, [program, "backfill", "--json", ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`backfill ended with ${code}: ${output}`);
}

/** Reads all users of Clerk's page by page, and upserts each page in one statement. */
async function copyPages(databaseUrl: string, clerk: { apiUrl: string; secretKey: string }): Promise<void> {
  const api = createClerkApi(clerk);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    let page = await api.listUsers();
    while (page.users.length > 0) {
      const rows = page.users.map(({ user, version }) => {
        const { clerk_id, email = null, name = null, user_role: role } = mapUser(user, storedFields);
        return { clerk_id, email, name, role: typeof role === "string" ? role : "user", version };
      });
      await upsertUsers(queryOf(client), rows);
      page = await api.listUsers({ id: rows.at(-1)?.clerk_id ?? "" });
    }
  } finally {
    await client.end();
  }
}
