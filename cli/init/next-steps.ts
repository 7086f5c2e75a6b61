import type { Plan } from "./plan-installation.ts";
import { configPath, migrationsPath, type Project } from "./read-project.ts";

const functionsPath = "supabase/functions/";

/** What the user has to do after an installation, in this order, as commands of Supabase CLI 3 and ours. */
export function listNextSteps(plan: Plan, project: Project, functions: readonly string[]): string[] {
  const isFirst = project.manifest === null;
  const written = plan.writes.map(({ path }) => path);
  const isDeployNeeded = written.some((path) => path.startsWith(functionsPath) || path === configPath);
  const url = `https://${project.ref ?? "<project>"}.supabase.co`;
  return [
    ...(project.ref === null ? ["npx supabase link"] : []),
    ...(written.some((path) => path.startsWith(migrationsPath)) ? ["npx supabase db push --remote"] : []),
    ...(isFirst ? listSecretSteps(url) : []),
    ...(isDeployNeeded ? [`npx supabase functions deploy ${functions.join(" ")} --use-api`] : []),
    ...(isFirst ? [`In the SQL editor: ${listVaultSecrets(url)}`] : []),
    ...(written.some((path) => path.startsWith(".github/"))
      ? ["Set the repository secrets that .github/workflows name"]
      : []),
    `npx clerk-sync doctor --url ${url}, then npx clerk-sync verify --url ${url} (--help names the secrets they need)`,
  ];
}

function listSecretSteps(url: string): string[] {
  return [
    `At Clerk, Webhooks, Add Endpoint: ${url}/functions/v1/clerk-webhook with the events user.created, user.updated, user.deleted`,
    "npx supabase secrets set CLERK_WEBHOOK_SECRET=whsec_… CLERK_SECRET_KEY=sk_… PROCESSOR_SECRET=… (any; openssl rand -hex 32 makes one)",
  ];
}

function listVaultSecrets(url: string): string {
  return [
    `select vault.create_secret('${url}', 'clerk_sync_project_url');`,
    "select vault.create_secret('… the same PROCESSOR_SECRET', 'clerk_sync_processor_secret');",
  ].join(" ");
}

/** What the user has to do after a removal: what runs at Clerk and at Supabase is not in the files. */
export function listRemovalSteps(plan: Plan): string[] {
  const functions = plan.deletes.flatMap((path) => /^supabase\/functions\/([^/_]+)\/index\.ts$/.exec(path)?.[1] ?? []);
  return [
    "At Clerk, Webhooks: delete the endpoint",
    "In the SQL editor: select public.clerk_sync_unschedule();",
    ...functions.map((name) => `npx supabase functions delete ${name}`),
    "The database stays as it is: public.users with its rows, public.job_queue and schema clerk_sync are yours to drop",
  ];
}
