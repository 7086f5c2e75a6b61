import path from "node:path";
import { type Config, readConfig } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { startLogging } from "#core/logger.ts";
import { type RunningServer, startServer } from "./start-server.ts";

const folder = path.resolve(".clerk-sync");

// Listened for from the start: a signal that comes while the server starts stops it once it is up.
const stopRequested = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
});

try {
  const config = readConfig(process.env);
  await startLogging(config.logLevel);
  const server = await startServer({ config, folder });
  print(server, config);
  const databaseIsGone = await Promise.race([stopRequested.then(() => false), server.databaseGone.then(() => true)]);
  console.log(
    `\n${databaseIsGone ? "The embedded PostgreSQL has ended. " : ""}Stopping: finishing what is in flight …`,
  );
  await server.stop();
  console.log("Stopped.");
  if (databaseIsGone) process.exitCode = 1;
} catch (error) {
  const code = error instanceof SyncError ? `${error.code}: ` : "";
  console.error(`\n${code}${errorMessage(error)}\n`);
  process.exitCode = 1;
}

/** Shows what this start made itself. What came from the environment is somebody's secret and stays there. */
function print({ settings }: RunningServer, config: Config): void {
  const webhookSecret = config.webhookSecrets.length > 0 ? "as in CLERK_WEBHOOK_SECRET" : settings.webhookSecret;
  const secretKey = config.secretKeys.length > 0 ? "as in the environment" : settings.secretKey;
  const database = config.databaseUrl === null ? settings.databaseUrl : "as in DATABASE_URL";
  console.log(`
  clerk-supabase-sync is running

  Webhook         ${settings.url}/functions/v1/clerk-webhook
  Webhook secret  ${webhookSecret}
  Processor       ${settings.url}/functions/v1/user-job-processor
  Secret key      ${secretKey}
  Database        ${database}
  Written to      ${path.relative(process.cwd(), path.join(folder, "local.json"))}

  Try it, in another terminal:  npx clerk-sync simulate --count 100
  Stop it:                      Ctrl-C
`);
}
