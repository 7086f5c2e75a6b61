import { writeFile } from "node:fs/promises";
import path from "node:path";
import { configurationName } from "../../mapping/read-configuration.ts";
import type { CommandIo } from "../command-io.ts";
import type { Outcome, RunOptions } from "./carry-out.ts";
import { type MappingOptions, planMapping } from "./plan-mapping.ts";

type Configured = {
  outcome: Outcome;
  message: string;
  written: string[];
  next: string[];
  /** The text of the configuration that is proposed; null: there is one. */
  proposed: string | null;
};

/**
 * Proposes the configuration of a project without supabase/, whose server of its own brings everything else, and writes it.
 * Throws as planMapping does.
 */
export async function configureServer(
  folder: string,
  options: RunOptions & Pick<MappingOptions, "table" | "key" | "delete" | "databaseUrl">,
  io: CommandIo,
): Promise<Configured> {
  const isSilent = options.json || options.dryRun;
  const planned = await planMapping(folder, { isInstalled: false }, { ...options, isSilent: options.json }, io);
  if (planned === null) return stop("declined", "Nothing was changed.", null);
  if (planned.file === null) {
    return { ...stop("nothing_to_do", `Nothing to do: ${configurationName} is there.`, null), next: nextSteps };
  }
  const { path: name, content } = planned.file;
  if (!options.json) for (const line of planned.lines) io.print(line);
  if (options.dryRun) return stop("dry_run", "Dry run: nothing was changed.", content);
  const confirm = options.yes ? async () => true : isSilent ? null : io.confirm;
  if (confirm === null) return stop("needs_yes", "Nothing was changed. Run it again with --yes to do this.", content);
  if (!(await confirm(`Write ${configurationName} into ${folder}?`)))
    return stop("declined", "Nothing was changed.", content);
  await writeFile(path.join(folder, name), content, { flag: "wx" });
  return { outcome: "done", message: `Done. Wrote ${name}.`, written: [name], next: nextSteps, proposed: content };
}

function stop(outcome: Outcome, message: string, proposed: string | null): Configured {
  return { outcome, message, written: [], next: [], proposed };
}

const nextSteps = [
  "DATABASE_URL=postgres://… npx clerk-sync migrate",
  "At Clerk, Webhooks, Add Endpoint: https://<your server>/functions/v1/clerk-webhook with the events user.created, user.updated, user.deleted",
  "DATABASE_URL=postgres://… CLERK_WEBHOOK_SECRET=whsec_… AUTH_MIRROR=off npx clerk-sync serve",
  "For users who signed up before: DATABASE_URL=postgres://… CLERK_SECRET_KEY=sk_… npx clerk-sync backfill",
];
