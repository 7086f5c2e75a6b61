import path from "node:path";
import { readConfig } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { startLogging } from "#core/logger.ts";
import { type RunningServer, startServer } from "./start-server.ts";

const folder = path.resolve(".clerk-sync");

// Listened for from the start: a signal that comes while the server starts stops it once it is up.
const stopRequested = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => resolve());
});

try {
  const config = readConfig(process.env);
  await startLogging(config.logLevel);
  const server = await startServer({ config, folder });
  print(server);
  await stopRequested;
  console.log("\nStopping: finishing what is in flight …");
  await server.stop();
  console.log("Stopped.");
} catch (error) {
  const code = error instanceof SyncError ? `${error.code}: ` : "";
  console.error(`\n${code}${errorMessage(error)}\n`);
  process.exitCode = 1;
}

function print({ settings }: RunningServer): void {
  console.log(`
  clerk-supabase-sync is running

  Webhook         ${settings.url}/functions/v1/clerk-webhook
  Webhook secret  ${settings.webhookSecret}
  Processor       ${settings.url}/functions/v1/user-job-processor
  Secret key      ${settings.secretKey}
  Database        ${settings.databaseUrl}
  Written to      ${path.relative(process.cwd(), path.join(folder, "local.json"))}

  Try it, in another terminal:  npx clerk-sync simulate --count 100
  Stop it:                      Ctrl-C
`);
}
