import { z } from "zod";
import { decodeBase64 } from "../http/sign-webhook.ts";

/** What docs/configuration.md says of a variable; `home` is where it is read. */
export type VariableNote = { what: string; home: "both" | "supabase" | "node" };

const notes = z.registry<VariableNote>();

const lowerCased = <Schema extends z.ZodType<unknown, string>>(schema: Schema) => z.string().toLowerCase().pipe(schema);

const webhookSecret = z
  .string()
  .refine((secret) => secret.startsWith("whsec_") && Boolean(decodeBase64(secret.slice(6))?.length), {
    message: "is not whsec_ followed by base64; copy it from Clerk's dashboard: Webhooks, the endpoint, Signing Secret",
  });

const alertSecret = z
  .string()
  .refine((secret) => secret.startsWith("whsec_") && (decodeBase64(secret.slice(6))?.length ?? 0) >= 24, {
    message: "is not whsec_ followed by base64 of 24 bytes or more; echo whsec_$(openssl rand -base64 32) makes one",
  });

const onOrOff = lowerCased(
  z
    .enum(["on", "true", "1", "yes", "off", "false", "0", "no"], { message: "must be on or off" })
    .transform((value) => ["on", "true", "1", "yes"].includes(value)),
);

const httpUrl = z.url({ protocol: /^https?$/, message: "must be an http(s) URL" });

const thisMachine = ["127.0.0.1", "localhost", "[::1]"];

/** Keys fetched over plain HTTP could be anybody's; only this machine is trusted that far. */
const issuer = z.url({ protocol: /^https?$/, message: "must be an https URL", abort: true }).refine(
  (text) => {
    const url = new URL(text);
    return url.protocol === "https:" || thisMachine.includes(url.hostname);
  },
  {
    message: "must be an https URL, such as https://clerk.example.com; Clerk's dashboard shows it as Frontend API URL",
  },
);

/** pk_test_ or pk_live_, then the host of Clerk's Frontend API and a $, in base64. Its issuer comes out. */
const publishableKey = z
  .string()
  .transform((key) => {
    const bytes = /^pk_(test|live)_/.test(key) ? decodeBase64(key.slice("pk_test_".length)) : null;
    return new TextDecoder().decode(bytes ?? new Uint8Array());
  })
  .refine((host) => /^[a-z0-9.-]+\$$/i.test(host), {
    message: "is not pk_live_… or pk_test_…; copy it from Clerk's dashboard: API keys, Publishable key",
  })
  .transform((host) => `https://${host.slice(0, -1)}`);

const origin = lowerCased(
  z
    .string()
    .regex(/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+\/?$/, "must be origins, such as https://app.example.com")
    .transform((value) => value.replace(/\/$/, "")),
);

const count = (least: number, most: number) =>
  z.coerce
    .number({ message: `must be a whole number from ${least} to ${most}` })
    .int(`must be a whole number from ${least} to ${most}`)
    .min(least, `must be at least ${least}`)
    .max(most, `must be at most ${most}`);

/** Every variable, in the order of docs/configuration.md, which is written from here (npm run docs). */
export const environmentSchema = z.object({
  CLERK_WEBHOOK_SECRET: z.array(webhookSecret).register(notes, {
    what: "Signing secret of the endpoint at Clerk, `whsec_…`; several, comma separated, while you rotate. Without it the webhook is off. Alias `CLERK_WEBHOOK_SIGNING_SECRET`.",
    home: "both",
  }),
  CLERK_SECRET_KEY: z
    .string()
    .regex(/^sk_(test|live)_/, "is not sk_live_… or sk_test_…; copy it from Clerk's dashboard: API keys, Secret keys")
    .optional()
    .register(notes, {
      what: "`sk_…`; reads users from Clerk's API: refreshes, backfill, reconcile. Without it nothing is read there.",
      home: "both",
    }),
  CLERK_API_URL: httpUrl
    .default("https://api.clerk.com")
    .register(notes, { what: "Where Clerk's Backend API is.", home: "both" }),
  CLERK_ISSUER: issuer.optional().register(notes, {
    what: "Who signs the session tokens that `ensure-user` accepts: Clerk's Frontend API URL, `https://clerk.example.com`. Without it, and without `CLERK_PUBLISHABLE_KEY`, `ensure-user` is off.",
    home: "both",
  }),
  CLERK_PUBLISHABLE_KEY: publishableKey
    .optional()
    .register(notes, { what: "`pk_…`; the issuer is taken from it where `CLERK_ISSUER` is not set.", home: "both" }),
  CLERK_AUTHORIZED_PARTIES: z.array(origin).register(notes, {
    what: "Origins of your apps, comma separated, `https://app.example.com`: `ensure-user` accepts only session tokens made there (claim `azp`; a token without one comes from a native app), and only pages from there may call it. When empty, `azp` is not checked and no page may call it, only servers and native apps.",
    home: "both",
  }),
  CLERK_INSTANCE_ID: z
    .array(z.string().startsWith("ins_", "is not ins_…; it stands in every event as instance_id"))
    .register(notes, {
      what: "`ins_…`, several comma separated: events of other Clerk instances are answered and audited, never applied. Without it the signature alone decides.",
      home: "both",
    }),
  SUPABASE_URL: httpUrl.optional().register(notes, {
    what: "The project. Supabase sets it for functions; on Node it is where Supabase Auth is.",
    home: "both",
  }),
  SUPABASE_SECRET_KEYS: z
    .record(z.string(), z.string().min(1), { message: 'must be JSON: {"name": "sb_secret_…"}' })
    .register(notes, {
      what: 'The project\'s secret keys as JSON, `{"default": "sb_secret_…"}`. Supabase sets it for functions. `SUPABASE_SECRET_KEY` (one key) and the legacy `SUPABASE_SERVICE_ROLE_KEY` do as well.',
      home: "both",
    }),
  PROCESSOR_SECRET: z
    .string()
    .min(16, "must have at least 16 characters; openssl rand -hex 32 makes one")
    .optional()
    .register(notes, {
      what: "Another key the processor accepts, as Bearer token; the schedule sends it. At least 16 characters.",
      home: "both",
    }),
  ADMIN_OPERATOR_ROLES: z.array(z.string()).register(notes, {
    what: "Roles, comma separated, whose users may act in `sync-admin` with their Clerk session token. A role comes from `public_metadata.role` only, and counts where users cannot write its column. When empty, nobody may by that, only by the secret key.",
    home: "both",
  }),
  ADMIN_VIEWER_ROLES: z
    .array(z.string())
    .register(notes, { what: "Roles whose users may read there, with personal values masked.", home: "both" }),
  ADMIN_ORIGINS: z.array(origin).register(notes, {
    what: "Origins of pages, comma separated, `https://admin.example.com`, that may call `sync-admin`. The page that the Node server serves needs none.",
    home: "both",
  }),
  AUTH_MIRROR: onOrOff
    .default(true)
    .register(notes, { what: "`off`: users go into their table only, not into Supabase Auth.", home: "both" }),
  AUTH_ADOPT: onOrOff.default(false).register(notes, {
    what: "`on`: an Auth user from before the mirror who holds an address that Clerk has verified becomes the mirror of that user, locked for native sign-in ([Supabase Auth](supabase-auth.md)). `off`: that Auth user is left alone, and the mirror gets a placeholder address.",
    home: "both",
  }),
  AUTH_JWT_SECONDS: count(1, 604_800).default(3600).register(notes, {
    what: "How long an access token of Supabase Auth is valid (Authentication, Sessions). An Auth user that is taken over is locked that long and ten minutes more before it becomes the mirror.",
    home: "both",
  }),
  DELETE_MODE: z
    .undefined({
      message:
        'moved into clerk-sync.config.json. Write "delete": "hard" or "delete": { "soft": "deleted_at" } into "users", and unset the variable',
    })
    .register(notes, {
      what: 'No longer read, and refused: `"delete"` in `clerk-sync.config.json` says what a deletion at Clerk does to the row.',
      home: "both",
    }),
  DELETE_BRAKE: onOrOff
    .default(true)
    .register(notes, { what: "Holds deletions back when there are too many at once.", home: "both" }),
  DELETE_BRAKE_COUNT: count(1, 1_000_000)
    .default(100)
    .register(notes, { what: "Too many: more than this within `DELETE_BRAKE_MINUTES`.", home: "both" }),
  DELETE_BRAKE_PERCENT: count(1, 100).default(10).register(notes, {
    what: "Too many as well: more than this share of all users, if more than ten users are deleted.",
    home: "both",
  }),
  DELETE_BRAKE_MINUTES: count(1, 1440).default(60).register(notes, { what: "The window of both.", home: "both" }),
  APPLY_AT_ONCE: onOrOff.default(true).register(notes, {
    what: "`off`: the webhook only queues events, and workers write the rows. For tables whose triggers are slow.",
    home: "both",
  }),
  MAX_ATTEMPTS: count(1, 100)
    .default(15)
    .register(notes, { what: "After so many failed attempts a job is a dead letter.", home: "both" }),
  RETENTION_DAYS: count(1, 3650).default(30).register(notes, {
    what: "Finished jobs older than this are purged; dead letters stay. On Supabase the schedule's own number counts as well: `clerk_sync_schedule(10, 30)`.",
    home: "both",
  }),
  WEBHOOK_MAX_PER_SECOND: count(1, 1_000_000).default(5000).register(notes, {
    what: "More events than this in a second are answered 429, by each process or isolate; Clerk delivers them again, a minute later at the earliest.",
    home: "both",
  }),
  WEBHOOK_BAD_SIGNATURES_PER_MINUTE: count(1, 1_000_000).default(60).register(notes, {
    what: "So many wrong signatures of one address are answered 401, those beyond it 429. What is signed right is accepted from any address.",
    home: "both",
  }),
  LOG_LEVEL: lowerCased(
    z.enum(["debug", "info", "warning", "error"], { message: "must be debug, info, warning or error" }),
  )
    .default("info")
    .register(notes, { what: "`debug`, `info`, `warning` or `error`.", home: "both" }),
  ALERT_WEBHOOK_URL: httpUrl.optional().register(notes, {
    what: "Incidents are posted here as JSON, once when they open and once when they are over ([alerts](alerts.md)).",
    home: "both",
  }),
  ALERT_WEBHOOK_SECRET: alertSecret.optional().register(notes, {
    what: "`whsec_…`, of your making: what is posted there is signed with it, as the Standard Webhooks specification says.",
    home: "both",
  }),
  ALERT_SLACK_URL: httpUrl.optional().register(notes, {
    what: "The same to Slack: the URL of an incoming webhook, `https://hooks.slack.com/services/…`, which is a secret.",
    home: "both",
  }),
  ADMIN_URL: httpUrl
    .optional()
    .register(notes, { what: "Where the admin page is, for a link in what is told of an incident.", home: "both" }),
  CLERK_SYNC_CONFIG: z.string().optional().register(notes, {
    what: "The file that says what goes into which column of which table. `clerk-sync.config.json` of the current folder otherwise.",
    home: "node",
  }),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, message: "must be a postgres:// URL" })
    .optional()
    .register(notes, { what: "The database, `postgres://…`.", home: "node" }),
  PORT: count(1, 65_535).default(54_321).register(notes, { what: "Where the server listens.", home: "node" }),
  HOST: z.string().default("127.0.0.1").register(notes, { what: "The address it listens on.", home: "node" }),
  METRICS_TOKEN: z
    .string()
    .min(16, "must have at least 16 characters; openssl rand -hex 32 makes one")
    .optional()
    .register(notes, {
      what: "What Prometheus sends as Bearer token to read `GET /metrics`, and nothing else; the project's secret key does as well. Without either `/metrics` is off. At least 16 characters.",
      home: "node",
    }),
  TRUST_PROXY: count(0, 10).default(0).register(notes, {
    what: "How many proxies of yours stand before the server. The client's address is then the one that the outermost of them added to `X-Forwarded-For`; with `0` it is the connection's.",
    home: "node",
  }),
});

/** The note of one variable. */
export function noteOf(name: keyof typeof environmentSchema.shape): VariableNote | undefined {
  return notes.get(environmentSchema.shape[name]);
}
