import { parse } from "yaml";
import { z } from "zod";

const permissionsSchema = z.record(z.string(), z.enum(["read", "write", "none"]));
const scalarsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const stepSchema = z.object({
  uses: z.string().optional(),
  with: scalarsSchema.default({}),
  run: z.string().default(""),
});
const jobSchema = z.object({
  permissions: permissionsSchema.default({}),
  "timeout-minutes": z.number().optional(),
  steps: z.array(stepSchema).default([]),
});
const workflowSchema = z.object({
  on: z.record(z.string(), z.unknown()),
  permissions: permissionsSchema.optional(),
  concurrency: z.unknown().optional(),
  jobs: z.record(z.string(), jobSchema),
});

type Step = z.infer<typeof stepSchema>;
type Workflow = z.infer<typeof workflowSchema> & { text: string; steps: Step[] };

/** What a workflow may name. */
export type Known = {
  /** The scripts of package.json. */
  scripts: readonly string[];
  /** Versions by the package's name; `node` too. */
  versions: Readonly<Record<string, string>>;
  /** The help text of a command line, such as ["supabase", "db", "push"]; null when there is no such command. */
  readHelp: (command: readonly string[]) => Promise<string | null>;
};

/** Command lines whose flags are looked up, with the number of words that name a command. */
const wordsOf: Readonly<Record<string, number>> = { supabase: 3, deno: 2, "clerk-sync": 2 };

type Rule = (workflow: Workflow, known: Known) => string[] | Promise<string[]>;
const rules: readonly Rule[] = [
  checkRights,
  checkBounds,
  checkActions,
  checkSecrets,
  checkScripts,
  checkVersions,
  checkInstalls,
  checkCommands,
];

/** Our own rules for a workflow, beside actionlint's; returns what is wrong. */
export async function checkWorkflow(text: string, known: Known): Promise<string[]> {
  const parsed = workflowSchema.parse(parse(text));
  const steps = Object.values(parsed.jobs).flatMap((job) => job.steps);
  const workflow = { ...parsed, text, steps };
  return (await Promise.all(rules.map((rule) => rule(workflow, known)))).flat();
}

/** The least rights: declared on top, reading only, and no trigger that hands a stranger's code our secrets. */
function checkRights({ on, permissions, jobs }: Workflow): string[] {
  const all = [permissions ?? {}, ...Object.values(jobs).map((job) => job.permissions)];
  const written = all.flatMap((some) => Object.keys(some).filter((scope) => some[scope] === "write"));
  return [
    ...(permissions === undefined ? ["no permissions are declared"] : []),
    ...written.filter((scope) => scope !== "id-token").map((scope) => `may write ${scope}`),
    ...("pull_request_target" in on ? ["runs on pull_request_target"] : []),
  ];
}

/** Every run ends, and two of them know of each other. */
function checkBounds({ concurrency, jobs }: Workflow): string[] {
  const endless = Object.keys(jobs).filter((name) => {
    const job = jobs[name];
    return job !== undefined && job.steps.length > 0 && job["timeout-minutes"] === undefined;
  });
  return [
    ...(concurrency === undefined ? ["has no concurrency group"] : []),
    ...endless.map((name) => `job ${name} has no timeout`),
  ];
}

/** Actions are pinned by commit, with the version beside it; a checkout leaves no token behind. */
function checkActions({ text, steps }: Workflow): string[] {
  const lines = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map((match) => match[1] ?? "");
  const loose = lines.filter((line) => !line.startsWith("./") && !/^\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line));
  const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
  return [
    ...loose.map((line) => `${line} is not pinned by commit and version`),
    ...checkouts.filter((step) => step.with["persist-credentials"] !== false).map(() => "a checkout keeps its token"),
  ];
}

/** Scripts take everything through env, which no value can break out of; the comment on top says what must be set. */
function checkSecrets({ text, steps }: Workflow): string[] {
  const inScripts = steps.flatMap(({ run }) => run.match(/\$\{\{.*?\}\}/g) ?? []);
  const header = text.slice(0, text.search(/^[^#]/m));
  const settings = new Set([...text.matchAll(/\b(?:secrets|vars)\.(\w+)/g)].map((match) => match[1] ?? ""));
  return [
    ...inScripts.map((expression) => `${expression} stands in a script`),
    ...[...settings].filter((name) => !header.includes(name)).map((name) => `${name} is not explained on top`),
  ];
}

function checkScripts({ steps }: Workflow, { scripts }: Known): string[] {
  const named = steps.flatMap(({ run }) =>
    [...run.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map((match) => match[1] ?? ""),
  );
  return named.filter((name) => !scripts.includes(name)).map((name) => `npm has no script ${name}`);
}

/** What is installed by name@version, and Node, are of the versions that package.json tests with. */
function checkVersions({ steps }: Workflow, { versions }: Known): string[] {
  const installed = steps.flatMap(({ run }) => [...run.matchAll(/(?<=\s)([a-z][\w/-]*)@([\w.]+)/g)]);
  const nodes = steps.flatMap((step) => step.with["node-version"] ?? []);
  const pairs = [
    ...installed.map(([, name = "", version = ""]) => [name, version]),
    ...nodes.map((node) => ["node", node]),
  ];
  return pairs
    .filter(([name, version]) => versions[`${name}`] !== version)
    .map(([name, version]) => `${name} is ${version}, not ${versions[`${name}`]}`);
}

/**
 * Where secrets are, all comes from a lock file and runs from node_modules: a name at the registry may become somebody
 * else's. Everywhere a tool is there before it is called.
 */
function checkInstalls({ text, steps }: Workflow): string[] {
  const scripts = steps.map(({ run }) => run).join("\n");
  const fetched = scripts.match(/\bnpm (?:install|i|exec)\b.*|\bnpx (?!--no-install\b).*/g) ?? [];
  const isInstalled = (words: string[], tool: string) =>
    words[0] === tool ? scripts.includes(` ${tool}@`) : /\bnpm ci\b/.test(scripts);
  const missing = listCommands(steps).filter(({ words, command: [tool = ""] }) => !isInstalled(words, tool));
  return [
    ...(/\bsecrets\./.test(text) ? fetched.map((line) => `${line} stands beside secrets`) : []),
    ...new Set(missing.map(({ words }) => `nothing installs ${words[0]}`)),
  ];
}

type CalledCommand = { words: string[]; command: string[] };

/** The lines of scripts that call a tool of ours, by its name or from node_modules: as it stands there, and the command. */
function listCommands(steps: readonly Step[]): CalledCommand[] {
  const lines = steps.flatMap(({ run }) => run.split(/\n|&&|\|\|?|;/)).map((line) => line.trim().split(/\s+/));
  return lines.flatMap((words) => {
    const [tool = "", ...others] = words;
    const name = tool.replace("./node_modules/.bin/", "");
    const count = wordsOf[name] ?? 0;
    return count === 0 ? [] : [{ words, command: [name, ...others].slice(0, count) }];
  });
}

/** Every command and every flag is one that the tool knows. */
async function checkCommands({ steps }: Workflow, { readHelp }: Known): Promise<string[]> {
  const found = await Promise.all(
    listCommands(steps).map(async ({ words, command }) => {
      const help = await readHelp(command);
      if (help === null) return [`there is no command ${command.join(" ")}`];
      const flags = words.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0] ?? "");
      const unknown = flags.filter((flag) => !new RegExp(`${flag}(?![\\w-])`).test(help));
      return unknown.map((flag) => `${command.join(" ")} has no ${flag}`);
    }),
  );
  return found.flat();
}
