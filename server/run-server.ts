import { logger, startLogging } from "#core/logger.ts";
import { npmGone } from "./npm-parent.ts";
import { type ServerOptions, startServer } from "./start-server.ts";

/** Runs the server until SIGINT, SIGTERM, SIGHUP or the end of the npm that started it, and stops it. Throws what startServer throws. */
export async function runServer(options: ServerOptions): Promise<void> {
  const stopRequested = waitForStop();
  await startLogging(options.config.logLevel);
  const server = await startServer(options);
  logger.info("server.stopping", { signal: await stopRequested });
  await server.stop();
  logger.info("server.stopped");
}

/** Listened for from the start: a signal that comes while the server starts stops it once it is up. */
export function waitForStop(): Promise<NodeJS.Signals | "npm ended"> {
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, resolve);
  });
  return Promise.race([signalled, npmGone().then(() => "npm ended" as const)]);
}
