import path from "node:path";
import type { Config } from "#core/config/config.ts";
import { startLogging } from "#core/logger.ts";
import { waitForStop } from "../server/run-server.ts";
import { type RunningLocalServer, startLocalServer } from "./start-local-server.ts";

type Print = (line: string) => void;

/**
 * Runs the local server in .clerk-sync of the folder given, and tells a person where everything is. Returns the
 * exit code: 1 when the embedded PostgreSQL ended by itself. Throws what startLocalServer throws.
 */
export async function runLocalServer(config: Config, workingFolder: string, print: Print): Promise<number> {
  const stopRequested = waitForStop();
  await startLogging(config.logLevel);
  const folder = path.join(workingFolder, ".clerk-sync");
  const server = await startLocalServer({ config, folder });
  print(describe(server, config));
  const databaseIsGone = await Promise.race([stopRequested.then(() => false), server.databaseGone.then(() => true)]);
  print(`\n${databaseIsGone ? "The embedded PostgreSQL has ended. " : ""}Stopping: finishing what is in flight …`);
  await server.stop();
  print("Stopped.");
  return databaseIsGone ? 1 : 0;
}

/** Shows what this start made itself. What came from the environment is somebody's secret and stays there. */
function describe({ settings }: RunningLocalServer, config: Config): string {
  const webhookSecret = config.webhookSecrets.length > 0 ? "as in CLERK_WEBHOOK_SECRET" : settings.webhookSecret;
  const secretKey = config.secretKeys.length > 0 ? "as in the environment" : settings.secretKey;
  const database = config.databaseUrl === null ? withoutPassword(settings.databaseUrl) : "as in DATABASE_URL";
  return `
  clerk-supabase-sync is running

  Webhook         ${settings.url}/functions/v1/clerk-webhook
  Webhook secret  ${webhookSecret}
  Processor       ${settings.url}/functions/v1/user-job-processor
  Secret key      ${secretKey}
  Database        ${database}
  Admin page      ${settings.adminUrl}
  Written to      ${path.join(".clerk-sync", "local.json")}

  Try it, in another terminal:  npx clerk-sync simulate --count 100
  Stop it:                      Ctrl-C
`;
}

/** Any user of the machine can reach the port, and output ends in logs: the password is in local.json only. */
function withoutPassword(text: string): string {
  const url = new URL(text);
  url.password = "";
  return `${url.href} (its password is in local.json)`;
}
