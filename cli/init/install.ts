import path from "node:path";
import type { CommandIo } from "../command-io.ts";
import { carryOut, type Result, type RunOptions, type Work } from "./carry-out.ts";
import { describeConflicts, listConflicts } from "./list-conflicts.ts";
import { mapSources } from "./map-sources.ts";
import { listNextSteps, listRemovalSteps } from "./next-steps.ts";
import { millisecondsAhead } from "./number-migrations.ts";
import { parseDecisions } from "./parse-decisions.ts";
import { type Plan, planInstallation } from "./plan-installation.ts";
import { type MappingOptions, planMapping } from "./plan-mapping.ts";
import { planRemoval } from "./plan-removal.ts";
import { configPath, migrationsPath, readProject } from "./read-project.ts";
import { readDropSql, readSources } from "./read-sources.ts";

type InstallOptions = RunOptions & {
  github: boolean;
  overwrite?: true | string[] | undefined;
  keep?: string[] | undefined;
  /** The folder as the user named it, to name it again in the commands that are printed. */
  project?: string | undefined;
} & Pick<MappingOptions, "table" | "key" | "delete" | "databaseUrl">;

/** A result, what to do next, and what to say of an outcome that is not `done`. */
export type Report = Result & {
  next: string[];
  message: string;
  /** The text of the configuration that is proposed; null: there is one. */
  proposed: string | null;
};

/** Installs this version into the project in `folder`, or brings it there to this version. */
export async function install(folder: string, options: InstallOptions, io: CommandIo): Promise<Report> {
  const before = await readProject(folder, []);
  const hasWorkflows = before.manifest?.files.some(({ path }) => path.startsWith(".github/")) ?? false;
  const isInstalled = before.manifest !== null;
  const planned = await planMapping(folder, { isInstalled }, { ...options, isSilent: options.json }, io);
  if (planned === null) return { ...stopped, proposed: null, next: [], message: "Nothing was changed." };
  if (!options.json) for (const line of planned.lines) io.print(line);
  const sources = mapSources(await readSources(io.findPackageRoot(), options.github || hasWorkflows), planned.mapping);
  const targets = sources.files.map(({ path }) => path);
  const now = io.clock.now();
  const work: Work = {
    folder,
    question: `Install clerk-supabase-sync ${sources.version} into ${folder}?`,
    read: () => readProject(folder, targets),
    plan: (project, decide) => planInstallation(sources, project, planned, now, decide),
    decide: parseDecisions({ ...options, kept: before.manifest?.kept ?? [] }, [...targets, configPath]),
  };
  const result = await carryOut(work, options, io);
  if (result.outcome === "done") await passOwnNumbers(result.plan, [...before.files.keys()], io);
  const functions = sources.sections.map(({ name }) => name);
  return {
    ...result,
    proposed: planned.file?.content ?? null,
    next: result.outcome === "done" ? listNextSteps(result.plan, before, functions) : [],
    message: describeOutcome(
      result,
      `clerk-supabase-sync ${sources.version} is installed in ${folder}`,
      formatCommand(options),
    ),
  };
}

const stopped: Result = {
  outcome: "declined",
  plan: { files: [], sections: [], writes: [], deletes: [], folders: [] },
  written: [],
  removed: [],
};

const longestWait = 120_000;

/**
 * Ends when the numbers that were given are past, or `supabase migration new` would take one of them. They lie up to a
 * minute ahead where the project's newest migration was a moment old; after one of the future they are not waited for.
 */
async function passOwnNumbers(plan: Plan, before: readonly string[], io: CommandIo): Promise<void> {
  const added = plan.files.filter(({ path, state }) => state === "add" && path.startsWith(`${migrationsPath}/`));
  const number = path
    .basename(
      added
        .map((file) => file.path)
        .sort()
        .at(-1) ?? "",
    )
    .slice(0, 14);
  const ahead = millisecondsAhead(number, io.clock.now());
  if (ahead === 0) return;
  if (ahead > longestWait) {
    const newest = before
      .filter((file) => file.startsWith(`${migrationsPath}/`))
      .sort()
      .at(-1);
    io.note(
      `${newest} lies in the future, so what is installed does, too: a migration that is made before then sorts before it.`,
    );
    return;
  }
  io.note(`Waiting ${Math.ceil(ahead / 1000)} s, until the numbers of the new migrations are past.`);
  await io.clock.sleep(ahead);
}

/** Takes out of the project in `folder` what `install` put in. */
export async function uninstall(
  folder: string,
  options: RunOptions & { migrations: boolean },
  io: CommandIo,
): Promise<Report> {
  const work: Work = {
    folder,
    question: `Take clerk-supabase-sync out of ${folder}?`,
    read: () => readProject(folder, []),
    plan: (project) => planRemoval(project, options.migrations),
    decide: () => null,
  };
  const result = await carryOut(work, options, io);
  return {
    ...result,
    proposed: null,
    next:
      result.outcome === "done" ? listRemovalSteps(result.plan, options, await readDropSql(io.findPackageRoot())) : [],
    message: describeOutcome(result, `clerk-supabase-sync is not in ${folder}`, "npx clerk-sync init --remove"),
  };
}

/** The command that was run, as npx runs it. */
function formatCommand({ github, project }: InstallOptions): string {
  const place = project === undefined ? "" : ` --project ${JSON.stringify(project)}`;
  return `npx clerk-sync init${place}${github ? " --github" : ""}`;
}

function describeOutcome({ outcome, plan, written, removed }: Result, state: string, command: string): string {
  const messages: Readonly<Record<Result["outcome"], string>> = {
    done: `Done. Files written: ${written.length}, removed: ${removed.length}.`,
    nothing_to_do: `Nothing to do: ${state}.`,
    dry_run: "Dry run: nothing was changed.",
    declined: "Nothing was changed.",
    needs_yes: "Nothing was changed. Run it again with --yes to do this.",
    conflicts: describeConflicts(listConflicts(plan), command),
  };
  return messages[outcome];
}
