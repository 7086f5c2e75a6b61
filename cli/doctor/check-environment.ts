import { type Environment, readConfig } from "#core/config/config.ts";
import { SyncError } from "#core/errors.ts";
import { decodeBase64 } from "#core/http/sign-webhook.ts";
import type { Finding } from "./finding.ts";
import { kindOfSecret, type SecretKind } from "./secret-kind.ts";

/** What is looked at: the environment that was given, the same secrets as options, and where they go. */
type Checked = { environment: Environment; supabaseUrl: string | null; now: number };

type Kinds = readonly SecretKind["kind"][];

const serviceKeys: Kinds = ["Supabase secret key", "service role key"];

/** The variables whose values say what they are, and what they must be. */
const wantedKinds: Readonly<Record<string, Kinds>> = {
  CLERK_WEBHOOK_SECRET: ["webhook secret"],
  CLERK_WEBHOOK_SIGNING_SECRET: ["webhook secret"],
  CLERK_SECRET_KEY: ["Clerk secret key"],
  CLERK_PUBLISHABLE_KEY: ["Clerk publishable key"],
  NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: ["Clerk publishable key"],
  VITE_CLERK_PUBLISHABLE_KEY: ["Clerk publishable key"],
  SUPABASE_SECRET_KEYS: serviceKeys,
  SUPABASE_SECRET_KEY: serviceKeys,
  SUPABASE_SERVICE_ROLE_KEY: serviceKeys,
  "--secret": ["webhook secret"],
  "--secret-key": serviceKeys,
};

const others = ["PROCESSOR_SECRET", "SUPABASE_URL", "CLERK_API_URL", "CLERK_SYNC_URL", "ADMIN_URL"];
const alertNames = ["ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET", "ALERT_SLACK_URL"];
const ownNames = [...Object.keys(wantedKinds), ...others, ...alertNames];

/** Checks the configuration as the functions and the server read it, and what the secrets are. No value is shown. */
export function checkEnvironment(checked: Checked): Finding[] {
  const { environment } = checked;
  const names = ownNames.filter((name) => trimmed(environment, name) !== "");
  const wrong = names.flatMap((name) => {
    const written = checkWriting(name, environment);
    return written.length > 0 ? written : checkSecrets(name, checked);
  });
  const named = new Set(wrong.map(({ what }) => firstWord(what)));
  const problems = [...wrong, ...readProblems(environment).filter(({ what }) => !named.has(firstWord(what)))];
  if (problems.length > 0) return problems;
  if (names.length > 0) return [{ check: "environment", state: "ok", what: `${names.join(", ")}: as they must be` }];
  const remedy = "Pass --env-file with the file that holds the functions' secrets, or run it where they are set.";
  return [{ check: "environment", state: "skipped", what: "no variable of ours is set here", remedy }];
}

/** The variable that a finding is about. */
function firstWord(what: string): string | undefined {
  return what.split(" ")[0];
}

function trimmed(environment: Environment, name: string): string {
  return environment[name]?.trim() ?? "";
}

/** Quotes that were meant for a shell or a file's reader and are now part of the value. */
function checkWriting(name: string, environment: Environment): Finding[] {
  const value = environment[name] ?? "";
  const isQuoted = /^\s*(["']).*\1\s*$/s.test(value);
  if (!isQuoted && value === value.trim()) return [];
  const what = `${name} has ${isQuoted ? "quotes" : "spaces"} around its value`;
  const remedy = "Write the value without: docker and dashboards take them for a part of it.";
  return [{ check: "environment", state: isQuoted ? "failed" : "warning", what, remedy }];
}

function checkSecrets(name: string, checked: Checked): Finding[] {
  const wanted = wantedKinds[name];
  if (wanted === undefined) return [];
  const secrets = splitSecrets(name, trimmed(checked.environment, name));
  return secrets.flatMap((secret) => checkSecret(name, wanted, { secret, ...checked }));
}

/** One variable may hold several: a list of signing secrets, a dictionary of keys. */
function splitSecrets(name: string, value: string): string[] {
  if (name !== "SUPABASE_SECRET_KEYS") return value.split(",").map((secret) => secret.trim());
  try {
    return Object.values(JSON.parse(value) as Record<string, unknown>).map(String);
  } catch {
    return []; // readConfig says that it is no JSON
  }
}

function checkSecret(
  name: string,
  wanted: Kinds,
  { secret, supabaseUrl, now }: Checked & { secret: string },
): Finding[] {
  const { kind, projectRef, expiresAt } = kindOfSecret(secret);
  const failed = (what: string, remedy: string): Finding[] => [{ check: "environment", state: "failed", what, remedy }];
  // Self-hosted projects and local servers have keys of any shape.
  if (kind === "unknown" && wanted === serviceKeys) return [];
  if (!wanted.includes(kind)) {
    const is = kind === "unknown" ? `is no ${wanted[0]}` : `is ${kind === "anon key" ? "an" : "a"} ${kind}`;
    return failed(`${name} ${is}`, `It must be a ${wanted.join(" or ")}: copy that one from the dashboard.`);
  }
  if (isPlaceholder(secret)) {
    const remedy = "Copy it again from Clerk's dashboard: Webhooks, the endpoint, Signing Secret.";
    return failed(`${name} is not whsec_ followed by base64`, remedy);
  }
  if (expiresAt !== undefined && expiresAt * 1000 < now) {
    return failed(`${name} has expired`, "Take a secret key (sb_secret_…) of the project instead.");
  }
  const host = supabaseUrl === null ? null : (URL.parse(supabaseUrl)?.hostname ?? null);
  if (projectRef !== undefined && isElsewhere(host, projectRef)) {
    return failed(`${name} is of project ${projectRef}, and the URL is ${host}`, "Take URL and key of one project.");
  }
  return [];
}

/** A webhook secret as documentation writes it: `whsec_…`. */
function isPlaceholder(secret: string): boolean {
  return secret.startsWith("whsec_") && !decodeBase64(secret.slice("whsec_".length))?.length;
}

function isElsewhere(host: string | null, projectRef: string): boolean {
  return (host?.endsWith(".supabase.co") ?? false) && host !== `${projectRef}.supabase.co`;
}

/** What readConfig says, a finding for each of its lines; they name variables and no values. */
function readProblems(environment: Environment): Finding[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const lines = error.message.split("\n").slice(1);
    const remedy = "Correct it where it is set, and deploy or start again: docs/errors.md, config_invalid.";
    return lines.map((line) => ({ check: "environment", state: "failed", what: line.trim(), remedy }));
  }
}
