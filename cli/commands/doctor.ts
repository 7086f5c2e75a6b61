import type { Command } from "commander";
import { z } from "zod";
import type { Environment } from "#core/config/config.ts";
import type { CommandIo } from "../command-io.ts";
import { checkClerk } from "../doctor/check-clerk.ts";
import { checkDatabase } from "../doctor/check-database.ts";
import { checkEndpoint } from "../doctor/check-endpoint.ts";
import { checkEnvironment } from "../doctor/check-environment.ts";
import { checkMappingFile } from "../doctor/check-mapping-file.ts";
import { checkProcessor } from "../doctor/check-processor.ts";
import { exitCodeOf, type Finding, formatFindings } from "../doctor/finding.ts";
import { withDatabase } from "../doctor/reach-database.ts";
import { findTarget, targetOptionsSchema } from "../read-target.ts";

const examples = `
Examples:
  $ clerk-sync doctor
  $ clerk-sync doctor --env-file .env.production
  $ clerk-sync doctor --url https://abc.supabase.co --secret whsec_… --secret-key sb_secret_…
  $ DATABASE_URL=postgres://… clerk-sync doctor --url https://sync.example.com
  $ clerk-sync doctor --json

Where no option says otherwise, CLERK_SYNC_URL, CLERK_WEBHOOK_SECRET and SUPABASE_SECRET_KEY are used, from the file
or from the environment: there they do not end in the shell's history. A server of your own without a Supabase project has no
API of the database: it is looked at on a connection to DATABASE_URL.
Nothing is changed. Exits with 1 when a check failed; warnings do not count.`;

const optionsSchema = targetOptionsSchema.extend({
  databaseUrl: z.string().optional(),
  json: z.boolean().default(false),
});

type Options = z.infer<typeof optionsSchema>;

/** Adds `clerk-sync doctor`. */
export function addDoctorCommand(program: Command, io: CommandIo): void {
  program
    .command("doctor")
    .description("Look at an installation from outside and say what is wrong and how to mend it.")
    .option("--url <url>", "the webhook, or the base URL of the project (default: the local server)")
    .option("--supabase-url <url>", "the project, where the webhook is not one of its functions")
    .option("--secret <whsec_…>", "the webhook's signing secret (default: the local server's)")
    .option("--secret-key <key>", "the project's secret key, to look at the database (default: the local server's)")
    .option(
      "--db-url, --database-url <url>",
      "look at this database, not over the API of a Supabase project: postgres://…",
    )
    .option("--env-file <file>", "variables to check and to use, as the functions or the server will have them")
    .option("--json", "print one JSON array and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => doctor(optionsSchema.parse(given), io));
}

async function doctor(options: Options, io: CommandIo): Promise<void> {
  const findings = await examine(options, io);
  if (options.json) io.print(JSON.stringify(findings));
  else for (const line of formatFindings(findings)) io.print(line);
  io.setExitCode(exitCodeOf(findings));
}

async function examine(options: Options, io: CommandIo): Promise<Finding[]> {
  const { target, environment } = await findTarget(options, io);
  const given = { ...environment, "--secret": options.secret, "--secret-key": options.secretKey };
  const supabaseUrl = target.rest?.baseUrl ?? null;
  return [
    ...checkEnvironment({ environment: given, supabaseUrl, now: io.clock.now() }),
    ...(await checkEndpoint({ ...target, secretName: nameOfSecret(options, environment) }, io)),
    await checkProcessor(target.webhookUrl, io),
    ...(await checkClerk(environment, target.webhookUrl, io)),
    ...(await withDatabase({ ...target, databaseUrl: options.databaseUrl, environment }, io, async (database) =>
      "check" in database
        ? [...(await checkMappingFile(null, io)), database]
        : [...(await checkMappingFile(database, io)), ...(await checkDatabase(database))],
    )),
  ];
}

/** Where the signing secret was given, for whoever is to correct it. */
function nameOfSecret({ secret }: Options, environment: Environment): string {
  if (secret !== undefined) return "--secret";
  const isUsual = (environment["CLERK_WEBHOOK_SECRET"] ?? "").trim() !== "";
  return isUsual ? "CLERK_WEBHOOK_SECRET" : "CLERK_WEBHOOK_SIGNING_SECRET";
}
