import type { Plan } from "./plan-installation.ts";
import { configPath, migrationsPath, type Project } from "./read-project.ts";

const functionsPath = "supabase/functions/";
/** What doctor, verify and backfill read. */
const environmentFile = ".env.clerk-sync";

/** What the user has to do after an installation, in this order, as commands of Supabase CLI 3 and ours. */
export function listNextSteps(plan: Plan, project: Project, functions: readonly string[]): string[] {
  const isFirst = project.manifest === null;
  const written = plan.writes.map(({ path }) => path);
  const isPushNeeded = written.some((path) => path.startsWith(migrationsPath));
  const isDeployNeeded = written.some((path) => path.startsWith(functionsPath) || path === configPath);
  const url = `https://${project.ref ?? "<project>"}.supabase.co`;
  return [
    ...(project.ref === null ? ["npx supabase link"] : []),
    ...(isPushNeeded ? ["npx supabase db push --remote"] : []),
    ...(isFirst ? listSecretSteps(url) : []),
    ...(isDeployNeeded ? [`npx supabase functions deploy ${functions.join(" ")} --use-api`] : []),
    ...(isFirst ? [`In the SQL editor: ${listVaultSecrets(url)}`] : []),
    ...(written.some((path) => path.startsWith(".github/"))
      ? ["Set the repository secrets that .github/workflows name"]
      : []),
    ...(isFirst ? [describeEnvironmentFile(url)] : []),
    `npx clerk-sync doctor --env-file ${environmentFile}, then npx clerk-sync verify --env-file ${environmentFile}`,
    ...(isFirst ? [`For users who signed up before: npx clerk-sync backfill --env-file ${environmentFile}`] : []),
  ];
}

function listSecretSteps(url: string): string[] {
  return [
    `At Clerk, Webhooks, Add Endpoint: ${url}/functions/v1/clerk-webhook with the events user.created, user.updated, user.deleted`,
    "Make a processor secret and keep it, two steps need the same: openssl rand -hex 32",
    "npx supabase secrets set CLERK_WEBHOOK_SECRET=whsec_… CLERK_SECRET_KEY=sk_… CLERK_ISSUER=https://… PROCESSOR_SECRET=<that> (CLERK_ISSUER is Clerk's Frontend API URL, for ensure-user)",
  ];
}

function listVaultSecrets(url: string): string {
  return [
    `select vault.create_secret('${url}', 'clerk_sync_project_url');`,
    "select vault.create_secret('<that same processor secret>', 'clerk_sync_processor_secret');",
  ].join(" ");
}

function describeEnvironmentFile(url: string): string {
  const names = `CLERK_SYNC_URL=${url}, CLERK_WEBHOOK_SECRET, SUPABASE_SECRET_KEY (sb_secret_…) and CLERK_SECRET_KEY`;
  return `Write ${names} into ${environmentFile}, one a line, and keep it out of git: echo ${environmentFile} >> .gitignore`;
}

/** What the user has to do after a removal: what runs at Clerk and at Supabase is not in the files. */
export function listRemovalSteps(plan: Plan, { migrations }: { migrations: boolean }, dropSql: string): string[] {
  const functions = plan.files.flatMap(
    ({ path }) => /^supabase\/functions\/([^/_]+)\/index\.ts$/.exec(path)?.[1] ?? [],
  );
  const numbers = plan.deletes.flatMap((path) => /^supabase\/migrations\/(\d+)_/.exec(path)?.[1] ?? []);
  const remains = listRemains(plan, migrations);
  return [
    ...(remains.length === 0 ? [] : [`These remain and will not work alone: ${remains.join(", ")}; delete them.`]),
    "At Clerk, Webhooks: delete the endpoint",
    "In the SQL editor: select public.clerk_sync_unschedule();",
    ...functions.map((name) => `npx supabase functions delete ${name}`),
    ...(numbers.length === 0
      ? []
      : [`If they were pushed: npx supabase migration repair --remote --status reverted ${numbers.join(" ")}`]),
    `The database still has it all. To drop that, except for public.users with its rows, in the SQL editor:\n\n${dropSql}`,
  ];
}

/** What was kept of ours while what it needs went. The migrations together work, so they count only one by one. */
function listRemains({ files, sections }: Plan, withMigrations: boolean): string[] {
  const kept = files.filter(({ path, state }) => {
    return state === "keep" && (withMigrations || !path.startsWith(migrationsPath));
  });
  const left = sections.filter(({ state }) => state === "keep");
  return [...kept.map(({ path }) => path), ...left.map(({ name }) => `${configPath} [functions.${name}]`)];
}
