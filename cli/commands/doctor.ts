import type { Command } from "commander";
import { z } from "zod";
import type { CommandIo } from "../command-io.ts";
import { checkDatabase } from "../doctor/check-database.ts";
import { checkEndpoint } from "../doctor/check-endpoint.ts";
import { exitCodeOf, formatFindings } from "../doctor/finding.ts";
import { readLocalSettings, resolveTarget } from "../read-target.ts";

const examples = `
Examples:
  $ clerk-sync doctor
  $ clerk-sync doctor --url https://abc.supabase.co --secret whsec_… --secret-key sb_secret_…
  $ clerk-sync doctor --json

Nothing is changed. Exits with 1 when a check failed; warnings do not count.`;

const optionsSchema = z.object({
  url: z.string().optional(),
  secret: z.string().optional(),
  secretKey: z.string().optional(),
  json: z.boolean().default(false),
});

/** Adds `clerk-sync doctor`. */
export function addDoctorCommand(program: Command, io: CommandIo): void {
  program
    .command("doctor")
    .description("Look at an installation from outside and say what is wrong and how to mend it.")
    .option("--url <url>", "the webhook, or the base URL of the project (default: the local server)")
    .option("--secret <whsec_…>", "the webhook's signing secret (default: the local server's)")
    .option("--secret-key <key>", "the project's secret key, to look at the database (default: the local server's)")
    .option("--json", "print one JSON array and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => doctor(optionsSchema.parse(given), io));
}

async function doctor(options: z.infer<typeof optionsSchema>, io: CommandIo): Promise<void> {
  const target = resolveTarget(options, await readLocalSettings(io.folder));
  const findings = [...(await checkEndpoint(target, io)), ...(await checkDatabase(target.rest, io))];
  if (options.json) io.print(JSON.stringify(findings));
  else for (const line of formatFindings(findings)) io.print(line);
  io.setExitCode(exitCodeOf(findings));
}
