import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Environment } from "#core/config.ts";
import { errorMessage, SyncError } from "#core/errors.ts";
import type { Rest } from "./call-rpc.ts";

const settingsSchema = z.object({
  url: z.url(),
  webhookSecret: z.string().min(1),
  secretKey: z.string().min(1),
});

export type LocalSettings = z.infer<typeof settingsSchema>;

/** Where events go and, when a key is known, where the database is asked. */
export type Target = {
  webhookUrl: string;
  webhookSecret: string;
  rest: Rest | null;
};

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

/** What `npm start` wrote in this folder; null when it never ran here. Throws SyncError `config_invalid`. */
export async function readLocalSettings(folder: string): Promise<LocalSettings | null> {
  const file = path.join(folder, ".clerk-sync", "local.json");
  try {
    return settingsSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : errorMessage(cause);
    throw new SyncError(
      "config_invalid",
      `${file} cannot be used: ${reason}. Run \`npm start\` again to write it anew.`,
      {
        cause,
      },
    );
  }
}

/**
 * Finds the target: what the options say, else CLERK_SYNC_URL with the secrets of the environment, else the local
 * server with its own. Throws SyncError `usage_invalid`.
 */
export function resolveTarget(
  options: TargetOptions,
  local: LocalSettings | null,
  environment: Environment = {},
): Target {
  const { webhookUrl, known, restUrl, secretKey } = resolveProject(options, local, environment);
  const webhookSecret = options.secret ?? known.webhookSecret ?? local?.webhookSecret;
  if (webhookSecret === undefined) throw nothingKnown("--secret", "CLERK_WEBHOOK_SECRET");
  return { webhookUrl, webhookSecret, rest: secretKey === undefined ? null : { baseUrl: restUrl, secretKey } };
}

/** Finds the project whose functions are called, in the same way. Throws SyncError `usage_invalid`. */
export function resolveRest(
  options: Omit<TargetOptions, "secret">,
  local: LocalSettings | null,
  environment: Environment = {},
): Rest {
  const { restUrl, secretKey } = resolveProject(options, local, environment);
  if (secretKey !== undefined) return { baseUrl: restUrl, secretKey };
  throw new SyncError(
    "usage_invalid",
    `No secret key is known for ${restUrl}: pass --secret-key, or set SUPABASE_SECRET_KEY.`,
  );
}

function resolveProject(options: Omit<TargetOptions, "secret">, local: LocalSettings | null, environment: Environment) {
  const url = options.url ?? read(environment, "CLERK_SYNC_URL") ?? local?.url;
  if (url === undefined) throw nothingKnown("--secret-key", "SUPABASE_SECRET_KEY");
  const { webhookUrl, baseUrl } = splitUrl(url);
  const isLocal = local !== null && sameServer(baseUrl, local.url);
  // Keys go where they belong: the local ones to the local server only, those of the environment only elsewhere.
  const known = isLocal ? local : environmentSecrets(environment);
  const secretKey = options.secretKey ?? known.secretKey;
  const supabaseUrl = options.supabaseUrl ?? (isLocal ? undefined : read(environment, "SUPABASE_URL"));
  return { webhookUrl, known, restUrl: supabaseUrl?.replace(/\/+$/, "") ?? baseUrl, secretKey };
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

function nothingKnown(option: string, variable: string): SyncError {
  return new SyncError(
    "usage_invalid",
    `There is no .clerk-sync/local.json here. Run \`npm start\` first (without a clone: \`clerk-sync serve --local\`), or pass --url and ${option} (or set CLERK_SYNC_URL and ${variable}).`,
  );
}

/** A bare origin is a project's base URL; anything with a path is the webhook itself. */
function splitUrl(text: string): { webhookUrl: string; baseUrl: string } {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new SyncError("usage_invalid", `--url ${text} is not a URL of the form http://… or https://….`);
  }
  if (url.pathname === "/") return { webhookUrl: `${url.origin}${webhookPath}`, baseUrl: url.origin };
  const prefix = url.pathname.endsWith(webhookPath) ? url.pathname.slice(0, -webhookPath.length) : "";
  return { webhookUrl: url.href, baseUrl: `${url.origin}${prefix}` };
}

function sameServer(left: string, right: string): boolean {
  const canonical = (text: string) => new URL(text).origin.replace(/\/\/(localhost|\[::1\])(?=:|$)/, "//127.0.0.1");
  return canonical(left) === canonical(right);
}
