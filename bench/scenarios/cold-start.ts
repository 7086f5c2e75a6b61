import { once } from "node:events";
import { readdir } from "node:fs/promises";
import type { Server } from "node:http";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { build } from "vite";
import { findFreePort } from "../../local/postgres/embedded-postgres.ts";
import { createRestStandIn } from "../../local/supabase/rest-api.ts";
import { startDenoFunction } from "../../tests/support/processes/deno-function.ts";
import { openConnection } from "../load/connection.ts";
import { makeRequests, webhookSecret } from "../load/payload.ts";
import { alternate, makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import type { Context, Scenario } from "../scenario.ts";

const secretKey = "sb_secret_bench";
const functionsFolder = new URL("../../supabase/functions/", import.meta.url);
const webhook = "clerk-webhook";
const oneLine = "a function of one line";
const client = "supabase-js alone";

/** How soon does a function that is not running answer? */
export const coldStart: Scenario = {
  name: "cold-start",
  question:
    "how long from the start of the process until an Edge Function has queued its first event, and how large is each?",
  notes: [
    "Under Deno, from the start of the process to the answer 202 of one signed event, with the database behind a stand-in of the project's API; Deno has the compiled files in its cache. `a function of one line` answers 202 to everything.",
    "Sizes are those of one minified file with all it imports, held against one that imports createClient of supabase-js and does nothing.",
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const url = await startApi(context);
  const env = { SUPABASE_URL: url, SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }) };
  const sides = [
    [webhook, { folder: webhook, env: { ...env, CLERK_WEBHOOK_SECRET: webhookSecret } }],
    [oneLine, { folder: "../../bench/load/one-line", env: {} }],
  ] as const;
  const measured = await alternate("cold start", sides, { ...context.options, say: context.say }, measureStart);
  const start = makeRow({
    what: "process start to first 202",
    unit: "ms",
    sides: Object.fromEntries(measured),
    of: webhook,
    against: [oneLine],
  });
  return [start, ...(await measureSizes())];
}

/** The project's API on a database of its own, as the functions reach it on Supabase. */
async function startApi({ createDatabase, addUndo }: Context): Promise<string> {
  const pool = openPool(await createDatabase("cold_start"), 4);
  addUndo(() => pool.end());
  const port = await findFreePort();
  const app = new Hono().route("/rest/v1", createRestStandIn({ pool, secretKey }));
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  addUndo(async () => {
    server.close();
    server.closeAllConnections();
  });
  if (!server.listening) await once(server, "listening");
  return `http://127.0.0.1:${port}`;
}

/** Milliseconds. */
async function measureStart(
  { folder, env }: { folder: string; env: Record<string, string> },
  round: number,
): Promise<number> {
  const [request] = makeRequests({ prefix: `cold_${round}`, count: 1, users: 1 });
  if (request === undefined) throw new TypeError("no request was made");
  const start = performance.now();
  const running = await startDenoFunction(folder, env);
  try {
    const connection = await openConnection(Number(new URL(running.url).port));
    const status = await connection.send(request.bytes);
    const milliseconds = performance.now() - start;
    connection.close();
    if (status !== 202) throw new RangeError(`${folder} answered ${status}`);
    return milliseconds;
  } finally {
    await running.stop();
  }
}

async function measureSizes(): Promise<Row[]> {
  const yardstick = await readBundleSize(new URL("../load/supabase-client.ts", import.meta.url));
  const names = (await readdir(functionsFolder)).filter((name) => /^[a-z-]+$/.test(name));
  const rows: Row[] = [];
  for (const name of names.sort()) {
    const bytes = await readBundleSize(new URL(`${name}/index.ts`, functionsFolder));
    const sides = { bundle: [bytes / 1024], [client]: [yardstick / 1024] };
    rows.push(makeRow({ what: `size of ${name}`, unit: "kB", sides, of: "bundle", against: [client] }));
  }
  return rows;
}

/** Bytes of an entry with all it imports, as one minified file without Node's or the browser's parts. */
async function readBundleSize(entry: URL): Promise<number> {
  const built = await build({
    configFile: false,
    root: fileURLToPath(new URL("../../", import.meta.url)),
    logLevel: "error",
    build: { ssr: fileURLToPath(entry), write: false, minify: true, target: "es2024" },
    ssr: { noExternal: true, target: "webworker" },
  });
  const outputs = [built].flat().flatMap((one) => ("output" in one ? one.output : []));
  return outputs.reduce((sum, file) => sum + (file.type === "chunk" ? Buffer.byteLength(file.code) : 0), 0);
}
