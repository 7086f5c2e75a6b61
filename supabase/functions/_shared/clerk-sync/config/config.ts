import type { z } from "zod";
import { SyncError } from "../errors.ts";
import type { LogLevel } from "../logger.ts";
import { environmentSchema } from "./environment-schema.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** More than `count` deletions, or than `percent` of all users, within `minutes` hold all deletions back. */
export type DeleteBrake = { count: number; percent: number; minutes: number };

/** Whom incidents are told to; null: not. */
export type AlertSettings = {
  webhookUrl: string | null;
  /** `whsec_…` that what goes to the webhook is signed with. */
  webhookSecret: string | null;
  slackUrl: string | null;
  /** The admin page, for a link in a notice. */
  adminUrl: string | null;
};

/** Everything an adapter needs to know, read once from its environment. */
export type Config = {
  /** `whsec_…` secrets of the webhook endpoint; empty: the webhook is off. */
  webhookSecrets: string[];
  /** `ins_…` of the Clerk instances whose events are applied; empty: of any. */
  instanceIds: string[];
  supabaseUrl: string | null;
  /** Keys that prove the service role, as sent in the apikey header. */
  secretKeys: string[];
  processorSecret: string | null;
  /** Who may use sync-admin with a Clerk session token, by role; empty: nobody. */
  adminRoles: { operator: string[]; viewer: string[] };
  /** Origins of pages that may call sync-admin; empty: none. */
  adminOrigins: string[];
  authMirror: boolean;
  /** How long an access token of Supabase Auth is valid; null: Auth users from before the mirror are not taken over. */
  adoptsWithTokenSeconds: number | null;
  /** The webhook writes rows where nothing stands in the way; false: workers do. */
  applyAtOnce: boolean;
  /** `sk_…` of the Clerk instance; null: nothing is read from Clerk's API. */
  clerkSecretKey: string | null;
  clerkApiUrl: string;
  /** The issuer of session tokens, without a slash at its end; null: ensure-user is off. */
  sessionIssuer: string | null;
  /** Origins whose session tokens are accepted; empty: of all. */
  authorizedParties: string[];
  /** Null: deletions are never held back. */
  deleteBrake: DeleteBrake | null;
  maxAttempts: number;
  retentionDays: number;
  /** What the webhook takes in over time. */
  webhookRate: { maxPerSecond: number; badSignaturesPerMinute: number };
  alerts: AlertSettings;
  /** Node server only: the file that says what goes into which column; null: clerk-sync.config.json of the folder. */
  configurationFile: string | null;
  /** Node server only: the database; null means an embedded one. */
  databaseUrl: string | null;
  /** Node server only: where it listens. */
  port: number;
  host: string;
  /** Node server only: proxies of the owner's before it, whose X-Forwarded-For is believed. */
  trustedProxies: number;
  /** Node server only: lets its bearer read the metrics. */
  metricsToken: string | null;
  logLevel: LogLevel;
};

const list = (value: string | undefined) =>
  (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");

/**
 * Reads and validates the environment. An empty variable is a missing one. A feature whose secret is
 * missing is off, never open.
 * Throws one SyncError `config_invalid` that names every problem by its variable, and no value.
 */
export function readConfig(environment: Environment): Config {
  const read = (name: string) => environment[name]?.trim() || undefined;
  const names = Object.keys(environmentSchema.shape);
  const parsed = environmentSchema.safeParse({
    ...Object.fromEntries(names.map((name) => [name, read(name)])),
    CLERK_WEBHOOK_SECRET: [...list(read("CLERK_WEBHOOK_SECRET")), ...list(read("CLERK_WEBHOOK_SIGNING_SECRET"))],
    CLERK_AUTHORIZED_PARTIES: list(read("CLERK_AUTHORIZED_PARTIES")),
    CLERK_INSTANCE_ID: list(read("CLERK_INSTANCE_ID")),
    ADMIN_OPERATOR_ROLES: list(read("ADMIN_OPERATOR_ROLES")),
    ADMIN_VIEWER_ROLES: list(read("ADMIN_VIEWER_ROLES")),
    ADMIN_ORIGINS: list(read("ADMIN_ORIGINS")),
    SUPABASE_SECRET_KEYS: readKeyDictionary(read("SUPABASE_SECRET_KEYS")),
  });
  if (!parsed.success) throw configError(parsed.error);
  const legacyKeys = [read("SUPABASE_SECRET_KEY"), read("SUPABASE_SERVICE_ROLE_KEY")].filter(
    (key) => key !== undefined,
  );
  return toConfig(parsed.data, legacyKeys);
}

function toConfig(values: z.infer<typeof environmentSchema>, legacyKeys: string[]): Config {
  return {
    webhookSecrets: [...new Set(values.CLERK_WEBHOOK_SECRET)],
    instanceIds: values.CLERK_INSTANCE_ID,
    supabaseUrl: values.SUPABASE_URL?.replace(/\/+$/, "") ?? null,
    secretKeys: [...new Set([...defaultFirst(values.SUPABASE_SECRET_KEYS), ...legacyKeys])],
    processorSecret: values.PROCESSOR_SECRET ?? null,
    adminRoles: { operator: values.ADMIN_OPERATOR_ROLES, viewer: values.ADMIN_VIEWER_ROLES },
    adminOrigins: [...new Set(values.ADMIN_ORIGINS)],
    authMirror: values.AUTH_MIRROR,
    adoptsWithTokenSeconds: values.AUTH_ADOPT ? values.AUTH_JWT_SECONDS : null,
    applyAtOnce: values.APPLY_AT_ONCE,
    clerkSecretKey: values.CLERK_SECRET_KEY ?? null,
    clerkApiUrl: values.CLERK_API_URL,
    sessionIssuer: (values.CLERK_ISSUER ?? values.CLERK_PUBLISHABLE_KEY)?.replace(/\/+$/, "") ?? null,
    authorizedParties: [...new Set(values.CLERK_AUTHORIZED_PARTIES)],
    deleteBrake: values.DELETE_BRAKE ? toDeleteBrake(values) : null,
    maxAttempts: values.MAX_ATTEMPTS,
    retentionDays: values.RETENTION_DAYS,
    webhookRate: {
      maxPerSecond: values.WEBHOOK_MAX_PER_SECOND,
      badSignaturesPerMinute: values.WEBHOOK_BAD_SIGNATURES_PER_MINUTE,
    },
    alerts: toAlertSettings(values),
    configurationFile: values.CLERK_SYNC_CONFIG ?? null,
    databaseUrl: values.DATABASE_URL ?? null,
    port: values.PORT,
    host: values.HOST,
    trustedProxies: values.TRUST_PROXY,
    metricsToken: values.METRICS_TOKEN ?? null,
    logLevel: values.LOG_LEVEL,
  };
}

function toDeleteBrake(values: z.infer<typeof environmentSchema>): DeleteBrake {
  return {
    count: values.DELETE_BRAKE_COUNT,
    percent: values.DELETE_BRAKE_PERCENT,
    minutes: values.DELETE_BRAKE_MINUTES,
  };
}

function toAlertSettings(values: z.infer<typeof environmentSchema>): AlertSettings {
  return {
    webhookUrl: values.ALERT_WEBHOOK_URL ?? null,
    webhookSecret: values.ALERT_WEBHOOK_SECRET ?? null,
    slackUrl: values.ALERT_SLACK_URL ?? null,
    adminUrl: values.ADMIN_URL ?? null,
  };
}

/** Supabase names its keys; the one called default is the one to send. */
function defaultFirst(keys: Record<string, string>): string[] {
  const { default: first, ...others } = keys;
  return first === undefined ? Object.values(others) : [first, ...Object.values(others)];
}

/** SUPABASE_SECRET_KEYS is a JSON dictionary on hosted Supabase (docs, "Function secrets"). */
function readKeyDictionary(value: string | undefined): unknown {
  if (value === undefined) return {};
  try {
    return JSON.parse(value);
  } catch {
    return value; // not JSON: the schema says so, in the words of the other problems
  }
}

function configError(error: z.ZodError): SyncError {
  const problems = error.issues.map((issue) => `  ${String(issue.path[0])} ${issue.message}`);
  return new SyncError(
    "config_invalid",
    `The environment has ${problems.length} problem${problems.length === 1 ? "" : "s"}:\n${problems.join("\n")}`,
  );
}
