import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { errorMessage, SyncError } from "#core/errors.ts";

const settingsSchema = z.object({
  url: z.url(),
  webhookSecret: z.string().min(1),
  secretKey: z.string().min(1),
});

export type LocalSettings = z.infer<typeof settingsSchema>;

/** Where events go and, when a key is known, where rows are read. */
export type Target = {
  webhookUrl: string;
  webhookSecret: string;
  rows: { url: string; secretKey: string } | null;
  /** The same for any function of the database. */
  rest: { baseUrl: string; secretKey: string } | null;
};

type TargetOptions = { url?: string | undefined; secret?: string | undefined; secretKey?: string | undefined };

const webhookPath = "/functions/v1/clerk-webhook";
const rowsPath = "/rest/v1/rpc/clerk_sync_user_rows";

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

/** Finds the target: what the options say, else the local server. Throws SyncError `usage_invalid`. */
export function resolveTarget(options: TargetOptions, local: LocalSettings | null): Target {
  const url = options.url ?? local?.url;
  const webhookSecret = options.secret ?? local?.webhookSecret;
  if (url === undefined || webhookSecret === undefined) {
    throw new SyncError(
      "usage_invalid",
      "There is no .clerk-sync/local.json here. Run `npm start` first (without a clone: `clerk-sync serve --local`), or pass --url and --secret.",
    );
  }
  const { webhookUrl, baseUrl } = splitUrl(url);
  const isLocal = local !== null && sameServer(baseUrl, local.url);
  // The local key goes to the local server only, never to an address typed on the command line.
  const secretKey = options.secretKey ?? (isLocal ? local.secretKey : undefined);
  return {
    webhookUrl,
    webhookSecret,
    rows: secretKey === undefined ? null : { url: `${baseUrl}${rowsPath}`, secretKey },
    rest: secretKey === undefined ? null : { baseUrl, secretKey },
  };
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
