import { environmentSchema, noteOf, type VariableNote } from "#core/config/environment-schema.ts";

type Name = keyof typeof environmentSchema.shape;

const homes: readonly { title: string; home: VariableNote["home"] }[] = [
  { title: "Edge Functions and Node server", home: "both" },
  { title: "Node server only", home: "node" },
];

const opening = `# Configuration

<!-- Written by npm run docs from supabase/functions/_shared/clerk-sync/config/environment-schema.ts; edit it there. -->

Everything is an environment variable: on Supabase a secret (\`supabase secrets set NAME=value\`), on a server of your own an
ordinary variable. An empty variable is a missing one. A feature whose secret is missing is off, never open. All
problems are reported together at the start, by name, and no value is ever printed.

\`npx clerk-sync doctor\` looks at what is set and says what does not fit.
`;

const commands = `## For the commands

\`doctor\`, \`verify\`, \`simulate\`, \`backfill\`, \`reconcile\`, \`audit\` and \`alerts\` look for the installation in \`CLERK_SYNC_URL\` (of the project, or of the webhook), and for
its secrets in \`CLERK_WEBHOOK_SECRET\` and \`SUPABASE_SECRET_KEY\`; \`SUPABASE_URL\` is the project where the webhook is on a server of yours. Options say the same;
in a file (\`--env-file\`) or the environment they do not end in the shell's history. Without any of it they take the server that
\`clerk-sync serve --local\` started in this folder. Without a Supabase project \`doctor\`, \`backfill\` and \`reconcile\` connect to \`DATABASE_URL\`.
`;

/** The text of docs/configuration.md. */
export function formatConfiguration(): string {
  const sections = homes.map(({ title, home }) => `## ${title}\n\n${formatTable(home)}`);
  return `${opening}\n${sections.join("\n\n")}\n\n${commands}`;
}

function formatTable(home: VariableNote["home"]): string {
  const names = (Object.keys(environmentSchema.shape) as Name[]).filter((name) => noteOf(name)?.home === home);
  const rows = names.map((name) => `| \`${name}\` | ${formatDefault(name)} | ${noteOf(name)?.what ?? ""} |`);
  return ["| variable | default | what it is |", "| --- | --- | --- |", ...rows].join("\n");
}

/** What an empty environment gives. */
function formatDefault(name: Name): string {
  const { data } = environmentSchema.shape[name].safeParse(undefined);
  if (data === undefined) return "none";
  return typeof data === "boolean" ? onOrOff(data) : `\`${data}\``;
}

function onOrOff(value: boolean): string {
  return value ? "`on`" : "`off`";
}
