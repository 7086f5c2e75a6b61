import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Environment } from "#core/config/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Rest } from "./call-rpc.ts";
import type { CommandIo } from "./command-io.ts";
import { readEnvironment } from "./read-environment-file.ts";

const settingsSchema = z.object({
  url: z.url(),
  webhookSecret: z.string().min(1),
  secretKey: z.string().min(1),
});

type LocalSettings = z.infer<typeof settingsSchema>;

/** Where events go and, when a key is known, where the database is asked. */
export type Target = {
  webhookUrl: string;
  /** Null: none is known for this address. */
  webhookSecret: string | null;
  rest: Rest | null;
};

/** A target that events can be signed for. */
type SignedTarget = Target & { webhookSecret: string };

/** The options by which a command is told where to go; `envFile` is read by readEnvironmentFile. */
export const targetOptionsSchema = z.object({
  url: z.string().optional(),
  supabaseUrl: z.string().optional(),
  secret: z.string().optional(),
  secretKey: z.string().optional(),
  envFile: z.string().optional(),
});

type TargetOptions = z.infer<typeof targetOptionsSchema>;

const webhookPath = "/functions/v1/clerk-webhook";

/**
 * What the local server wrote in this folder; null when none was started here, when --env-file names the installation,
 * or when the file is damaged and the address is named. Throws SyncError `config_invalid`.
 */
export async function readLocalSettings(
  folder: string,
  { url, envFile }: Pick<TargetOptions, "url" | "envFile"> = {},
  environment: Environment = {},
): Promise<LocalSettings | null> {
  if (envFile !== undefined) return null;
  const file = path.join(folder, ".clerk-sync", "local.json");
  try {
    return settingsSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    if ((url ?? read(environment, "CLERK_SYNC_URL")) !== undefined) return null;
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : errorMessage(cause);
    const remedy = "Start the local server again (npx clerk-sync serve --local): it writes the file anew.";
    throw new SyncError("config_invalid", `${file} cannot be used: ${reason}. ${remedy}`, { cause });
  }
}

/**
 * Finds the target of a command, in the one order that all commands have: --url; the variables of --env-file;
 * CLERK_SYNC_URL; the local server of this folder; SUPABASE_URL. Says which it is where the command line does not.
 * Throws SyncError `usage_invalid` and `config_invalid`.
 */
export async function findTarget(
  options: TargetOptions,
  io: Pick<CommandIo, "environment" | "folder" | "note">,
): Promise<{ target: Target; environment: Environment }> {
  const environment = await readEnvironment(options, io);
  const local = await readLocalSettings(io.folder, options, environment);
  const target = resolveTarget(options, local, environment);
  say(target.source, options, environment, io);
  return { target, environment };
}

/** The same of a command that calls the project's functions; `isAdmin`: only its sync-admin, which every server has. */
export async function findRest(
  options: Omit<TargetOptions, "secret">,
  io: Pick<CommandIo, "environment" | "folder" | "note">,
  isAdmin = false,
): Promise<{ rest: Rest; environment: Environment }> {
  const environment = await readEnvironment(options, io);
  const local = await readLocalSettings(io.folder, options, environment);
  const { source, ...rest } = resolveRest(options, local, environment, isAdmin);
  say(source, options, environment, io);
  return { rest, environment };
}

type Source = { name: string; asked: string };

/** An option on the command line says it already, and so does the one local server. */
function say(
  { name, asked }: Source,
  { envFile }: TargetOptions,
  environment: Environment,
  io: Pick<CommandIo, "note">,
) {
  if (name === "--url" || envFile !== undefined) return;
  const other = read(environment, "SUPABASE_URL");
  if (name !== "the local server") io.note(`Asking ${asked} (${name}).`);
  else if (other !== undefined) io.note(`Asking the local server, ${asked}. For SUPABASE_URL pass --url ${other}.`);
}

/**
 * Finds the target: what the options say, else the environment with its secrets, else the local server with its own.
 * Throws SyncError `usage_invalid`.
 */
export function resolveTarget(
  options: TargetOptions,
  local: LocalSettings | null,
  environment: Environment = {},
): Target & { source: Source } {
  const names = "--secret (CLERK_SYNC_URL, CLERK_WEBHOOK_SECRET)";
  const project = resolveProject(options, { local, environment, names, isAdmin: false });
  const { webhookUrl, known, restUrl, secretKey, source } = project;
  const webhookSecret = options.secret ?? known.webhookSecret ?? null;
  return { webhookUrl, webhookSecret, rest: secretKey === undefined ? null : { baseUrl: restUrl, secretKey }, source };
}

/** The target of a command that sends events. Throws SyncError `usage_invalid`. */
export function requireSecret(target: Target): SignedTarget {
  const { webhookUrl, webhookSecret } = target;
  if (webhookSecret !== null) return { ...target, webhookSecret };
  throw new SyncError(
    "usage_invalid",
    `No signing secret is known for ${webhookUrl}: set CLERK_WEBHOOK_SECRET or pass --secret.`,
  );
}

/** Finds the project whose functions are called, in the same way. Throws SyncError `usage_invalid`. */
export function resolveRest(
  options: Omit<TargetOptions, "secret">,
  local: LocalSettings | null,
  environment: Environment = {},
  isAdmin = false,
): Rest & { source: Source } {
  const names = "--secret-key (CLERK_SYNC_URL, SUPABASE_SECRET_KEY)";
  const { restUrl, secretKey, source } = resolveProject(options, { local, environment, names, isAdmin });
  if (secretKey !== undefined) return { baseUrl: restUrl, secretKey, source };
  throw new SyncError(
    "usage_invalid",
    `No secret key is known for ${restUrl}: pass --secret-key, or set SUPABASE_SECRET_KEY.`,
  );
}

/** `names`: the option and the variables that are still to be given when nothing is known. */
type Known = { local: LocalSettings | null; environment: Environment; names: string; isAdmin: boolean };

function resolveProject(options: Omit<TargetOptions, "secret">, { local, environment, names, isAdmin }: Known) {
  const named = findUrl(options, local, environment);
  if (named === undefined) throw nothingKnown(options.envFile, names);
  const { webhookUrl, baseUrl, isProject } = splitUrl(named.url);
  const isLocal = local !== null && sameServer(baseUrl, local.url);
  // Keys go where they belong: the local ones to the local server only, those of the environment only elsewhere.
  const known = isLocal ? local : environmentSecrets(environment);
  const secretKey = options.secretKey ?? known.secretKey;
  // What was named wins. SUPABASE_URL says where the database is asked when a webhook elsewhere was named, or
  // when the environment named both.
  const isNamed = isLocal || (isProject && (named.name === "--url" || isAdmin));
  const supabaseUrl = options.supabaseUrl ?? (isNamed ? undefined : read(environment, "SUPABASE_URL"));
  const restUrl = supabaseUrl?.replace(/\/+$/, "") ?? baseUrl;
  return { webhookUrl, known, restUrl, secretKey, source: { name: named.name, asked: restUrl } };
}

/** The address and who names it. SUPABASE_URL of the process is for the app: it comes after a server started here. */
function findUrl({ url, envFile }: TargetOptions, local: LocalSettings | null, environment: Environment) {
  const supabaseUrl = { name: "SUPABASE_URL", url: read(environment, "SUPABASE_URL") };
  const candidates = [
    { name: "--url", url },
    { name: "CLERK_SYNC_URL", url: read(environment, "CLERK_SYNC_URL") },
    ...(envFile === undefined ? [] : [supabaseUrl]),
    { name: "the local server", url: local?.url },
    supabaseUrl,
  ];
  return candidates.flatMap((one) => (one.url === undefined ? [] : [{ name: one.name, url: one.url }]))[0];
}

/** The secrets under the names that the functions read them by; of several signing secrets the first. */
function environmentSecrets(environment: Environment): {
  webhookSecret?: string | undefined;
  secretKey?: string | undefined;
} {
  const secrets = read(environment, "CLERK_WEBHOOK_SECRET") ?? read(environment, "CLERK_WEBHOOK_SIGNING_SECRET");
  return {
    webhookSecret: secrets?.split(",")[0]?.trim(),
    secretKey: read(environment, "SUPABASE_SECRET_KEY") ?? read(environment, "SUPABASE_SERVICE_ROLE_KEY"),
  };
}

function read(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || undefined;
}

function nothingKnown(envFile: string | undefined, names: string): SyncError {
  const message =
    envFile === undefined
      ? `No installation is named, and no local server was started in this folder. Start one: npx clerk-sync serve --local. Or name yours: --url and ${names}.`
      : `CLERK_SYNC_URL is not set in ${envFile}. Add the project's URL, or pass --url.`;
  return new SyncError("usage_invalid", message);
}

/** A bare origin is a project's base URL; anything with a path is the webhook itself. */
function splitUrl(text: string): { webhookUrl: string; baseUrl: string; isProject: boolean } {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new SyncError("usage_invalid", `--url ${text} is not a URL of the form http://… or https://….`);
  }
  if (url.pathname === "/") return { webhookUrl: `${url.origin}${webhookPath}`, baseUrl: url.origin, isProject: true };
  const isProject = url.pathname.endsWith(webhookPath);
  const prefix = isProject ? url.pathname.slice(0, -webhookPath.length) : "";
  return { webhookUrl: url.href, baseUrl: `${url.origin}${prefix}`, isProject };
}

function sameServer(left: string, right: string): boolean {
  const canonical = (text: string) => new URL(text).origin.replace(/\/\/(localhost|\[::1\])(?=:|$)/, "//127.0.0.1");
  return canonical(left) === canonical(right);
}
