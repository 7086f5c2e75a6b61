import { type Command, Option } from "commander";
import { z } from "zod";
import { readConfig } from "#core/config/config.ts";
import type { CommandIo } from "../command-io.ts";

const examples = `
Examples:
  $ DATABASE_URL=postgres://… CLERK_WEBHOOK_SECRET=whsec_… AUTH_MIRROR=off clerk-sync serve
  $ clerk-sync serve --only webhook --port 8080     takes events; start as many as you like
  $ clerk-sync serve --only worker                  works through the queue; as many as you like
  $ clerk-sync serve --local                        needs nothing: an embedded PostgreSQL, secrets made for you

Everything else is configured by environment variables, listed in the README. What is not set is off.
GET /health answers 200 while the database is reached and of this version, GET /health/live while the process serves.
SIGTERM finishes what is in flight and ends with 0.`;

const optionsSchema = z.object({
  port: z.string().optional(),
  host: z.string().optional(),
  only: z.enum(["webhook", "worker"]).optional(),
  config: z.string().optional(),
  migrate: z.boolean().default(false),
  local: z.boolean().default(false),
});

/** Adds `clerk-sync serve`. */
export function addServeCommand(program: Command, io: CommandIo): void {
  program
    .command("serve")
    .description("Run the webhook and the worker on a server of your own.")
    .option("--port <n>", "where to listen (default: PORT, or 54321)")
    .option("--host <address>", "the address to listen on (default: HOST, or 127.0.0.1)")
    .addOption(new Option("--only <half>", "one half of the work").choices(["webhook", "worker"]))
    .option("--config <file>", "what goes into which column (default: clerk-sync.config.json of this folder)")
    .option("--migrate", "bring the database to this version first (default: refuse another version)")
    .addOption(
      new Option("--local", "for development: embedded PostgreSQL, stand-ins of Supabase").conflicts([
        "only",
        "migrate",
      ]),
    )
    .addHelpText("after", examples)
    .action(async (given: unknown) => serve(optionsSchema.parse(given), io));
}

/** Runs until a signal. The server is loaded here: no other command needs a database driver. */
async function serve({ port, host, only, migrate, local, config: file }: z.infer<typeof optionsSchema>, io: CommandIo) {
  const given = { ...(port === undefined ? {} : { PORT: port }), ...(host === undefined ? {} : { HOST: host }) };
  const config = readConfig({ ...io.environment, ...given });
  if (local) {
    const { runLocalServer } = await import("../../local/run-local-server.ts");
    return io.setExitCode(await runLocalServer(config, io.folder, io.print));
  }
  const { runServer } = await import("../../server/run-server.ts");
  const { readConfiguration } = await import("../../mapping/read-configuration.ts");
  const { configuration } = await readConfiguration(io.folder, { path: file, environment: io.environment });
  return runServer({ config, configuration, only, migrate });
}
