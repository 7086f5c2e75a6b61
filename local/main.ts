import { readConfig } from "#core/config/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import { runLocalServer } from "./run-local-server.ts";

// npm start
try {
  process.exitCode = await runLocalServer(readConfig(process.env), process.cwd(), console.log);
} catch (error) {
  const code = error instanceof SyncError ? `${error.code}: ` : "";
  console.error(`\n${code}${errorMessage(error)}\n`);
  process.exitCode = 1;
}
