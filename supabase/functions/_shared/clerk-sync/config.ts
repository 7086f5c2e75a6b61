import { z } from "zod";
import { SyncError } from "./errors.ts";
import type { LogLevel } from "./logger.ts";
import { decodeBase64 } from "./sign-webhook.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** More than `count` deletions, or than `percent` of all users, within `minutes` hold all deletions back. */
export type DeleteBrake = { count: number; percent: number; minutes: number };

/** Everything an adapter needs to know, read once from its environment. */
export type Config = {
  /** `whsec_…` secrets of the webhook endpoint; empty: the webhook is off. */
  webhookSecrets: string[];
  supabaseUrl: string | null;
  /** Keys that prove the service role, as sent in the apikey header. */
  secretKeys: string[];
  processorSecret: string | null;
  authMirror: boolean;
  deleteMode: "hard" | "soft";
  /** `sk_…` of the Clerk instance; null: nothing is read from Clerk's API. */
  clerkSecretKey: string | null;
  clerkApiUrl: string;
  /** Null: deletions are never held back. */
  deleteBrake: DeleteBrake | null;
  maxAttempts: number;
  retentionDays: number;
  /** Node server only: the database; null means an embedded one. */
  databaseUrl: string | null;
  /** Node server only: where it listens. */
  port: number;
  host: string;
  logLevel: LogLevel;
};

const list = (value: string | undefined) =>
  (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");

const webhookSecret = z
  .string()
  .refine((secret) => secret.startsWith("whsec_") && Boolean(decodeBase64(secret.slice(6))?.length), {
    message: "is not whsec_ followed by base64; copy it from Clerk's dashboard: Webhooks, the endpoint, Signing Secret",
  });

const onOrOff = z
  .enum(["on", "true", "1", "yes", "off", "false", "0", "no"], { message: "must be on or off" })
  .transform((value) => ["on", "true", "1", "yes"].includes(value));

const count = (least: number, most: number) =>
  z.coerce
    .number({ message: `must be a whole number from ${least} to ${most}` })
    .int(`must be a whole number from ${least} to ${most}`)
    .min(least, `must be at least ${least}`)
    .max(most, `must be at most ${most}`);

const environmentSchema = z.object({
  CLERK_WEBHOOK_SECRET: z.array(webhookSecret),
  SUPABASE_URL: z.url({ protocol: /^https?$/, message: "must be an http(s) URL" }).optional(),
  SUPABASE_SECRET_KEYS: z.record(z.string(), z.string().min(1), { message: 'must be JSON: {"name": "sb_secret_…"}' }),
  PROCESSOR_SECRET: z.string().min(16, "must have at least 16 characters; openssl rand -hex 32 makes one").optional(),
  AUTH_MIRROR: onOrOff.default(true),
  DELETE_MODE: z.enum(["hard", "soft"], { message: "must be hard or soft" }).default("hard"),
  CLERK_SECRET_KEY: z
    .string()
    .regex(/^sk_(test|live)_/, "is not sk_live_… or sk_test_…; copy it from Clerk's dashboard: API keys, Secret keys")
    .optional(),
  CLERK_API_URL: z.url({ protocol: /^https?$/, message: "must be an http(s) URL" }).default("https://api.clerk.com"),
  DELETE_BRAKE: onOrOff.default(true),
  DELETE_BRAKE_COUNT: count(1, 1_000_000).default(100),
  DELETE_BRAKE_PERCENT: count(1, 100).default(10),
  DELETE_BRAKE_MINUTES: count(1, 1440).default(60),
  MAX_ATTEMPTS: count(1, 100).default(15),
  RETENTION_DAYS: count(1, 3650).default(30),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, message: "must be a postgres:// URL" }).optional(),
  PORT: count(1, 65_535).default(54_321),
  HOST: z.string().default("127.0.0.1"),
  LOG_LEVEL: z
    .enum(["debug", "info", "warning", "error"], { message: "must be debug, info, warning or error" })
    .default("info"),
});

/**
 * Reads and validates the environment. An empty variable is a missing one. A feature whose secret is
 * missing is off, never open.
 * Throws one SyncError `config_invalid` that names every problem by its variable, and no value.
 */
export function readConfig(environment: Environment): Config {
  const read = (name: string) => environment[name]?.trim() || undefined;
  const parsed = environmentSchema.safeParse({
    CLERK_WEBHOOK_SECRET: [...list(read("CLERK_WEBHOOK_SECRET")), ...list(read("CLERK_WEBHOOK_SIGNING_SECRET"))],
    SUPABASE_URL: read("SUPABASE_URL"),
    SUPABASE_SECRET_KEYS: readKeyDictionary(read("SUPABASE_SECRET_KEYS")),
    PROCESSOR_SECRET: read("PROCESSOR_SECRET"),
    AUTH_MIRROR: read("AUTH_MIRROR")?.toLowerCase(),
    DELETE_MODE: read("DELETE_MODE")?.toLowerCase(),
    CLERK_SECRET_KEY: read("CLERK_SECRET_KEY"),
    CLERK_API_URL: read("CLERK_API_URL"),
    DELETE_BRAKE: read("DELETE_BRAKE")?.toLowerCase(),
    DELETE_BRAKE_COUNT: read("DELETE_BRAKE_COUNT"),
    DELETE_BRAKE_PERCENT: read("DELETE_BRAKE_PERCENT"),
    DELETE_BRAKE_MINUTES: read("DELETE_BRAKE_MINUTES"),
    MAX_ATTEMPTS: read("MAX_ATTEMPTS"),
    RETENTION_DAYS: read("RETENTION_DAYS"),
    DATABASE_URL: read("DATABASE_URL"),
    PORT: read("PORT"),
    HOST: read("HOST"),
    LOG_LEVEL: read("LOG_LEVEL")?.toLowerCase(),
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
    supabaseUrl: values.SUPABASE_URL?.replace(/\/+$/, "") ?? null,
    secretKeys: [...new Set([...defaultFirst(values.SUPABASE_SECRET_KEYS), ...legacyKeys])],
    processorSecret: values.PROCESSOR_SECRET ?? null,
    authMirror: values.AUTH_MIRROR,
    deleteMode: values.DELETE_MODE,
    clerkSecretKey: values.CLERK_SECRET_KEY ?? null,
    clerkApiUrl: values.CLERK_API_URL,
    deleteBrake: values.DELETE_BRAKE ? toDeleteBrake(values) : null,
    maxAttempts: values.MAX_ATTEMPTS,
    retentionDays: values.RETENTION_DAYS,
    databaseUrl: values.DATABASE_URL ?? null,
    port: values.PORT,
    host: values.HOST,
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
  return new SyncError("config_invalid", `The environment has ${problems.length} problem(s):\n${problems.join("\n")}`);
}
