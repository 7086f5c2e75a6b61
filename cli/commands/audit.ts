import type { Command } from "commander";
import { z } from "zod";
import { SyncError } from "#core/errors.ts";
import { type AuditEntry, auditSchema, formatAudit } from "../audit/format-audit.ts";
import { readSince } from "../audit/read-since.ts";
import { callRpc } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { findRest } from "../read-target.ts";

const examples = `
Kinds:
  delivery_refused   requests whose signature does not hold, by source and minute
  instance_unknown   signed events of another Clerk instance; not applied
  sample_event       "Send Example" of Clerk's dashboard; nothing is stored
  event_trimmed      events without fields that Clerk sends; these stay as they are
  job_edited         jobs made, changed or deleted by hand
  burst              very many events within five minutes
  flapping_user      one user with very many events within an hour
  operator_action    what operators did through the admin API

Examples:
  $ clerk-sync audit
  $ clerk-sync audit --since 7d --kind job_edited
  $ clerk-sync audit --url https://abc.supabase.co --secret-key sb_secret_… --json`;

const optionsSchema = z.object({
  url: z.string().optional(),
  secretKey: z.string().optional(),
  envFile: z.string().optional(),
  since: z.string().default("24h"),
  kind: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  json: z.boolean().default(false),
});

type AuditOptions = z.infer<typeof optionsSchema>;

const kinds = [
  "delivery_refused",
  "instance_unknown",
  "sample_event",
  "event_trimmed",
  "job_edited",
  "burst",
  "flapping_user",
  "operator_action",
];

/** Adds `clerk-sync audit`. */
export function addAuditCommand(program: Command, io: CommandIo): void {
  program
    .command("audit")
    .description("Show what was refused, put aside, odd, or done to the queue by hand.")
    .option("--since <time>", "30m, 24h, 7d, or a time as 2026-11-20T10:00:00Z", "24h")
    .option("--kind <kind>", "one of the kinds below (default: all)")
    .option("--limit <n>", "how many entries at most, the newest", "100")
    .option("--url <url>", "the base URL of the project (default: the local server)")
    .option("--secret-key <key>", "the project's secret key (default: the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--json", "print one JSON array and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => audit(readOptions(given), io));
}

function readOptions(given: unknown): AuditOptions {
  const parsed = optionsSchema.safeParse(given);
  if (!parsed.success) throw new SyncError("usage_invalid", "--limit must be a whole number from 1 to 1000.");
  const { kind } = parsed.data;
  if (kind !== undefined && !kinds.includes(kind)) {
    throw new SyncError("usage_invalid", `--kind ${kind} is not known. Known are ${kinds.join(", ")}.`);
  }
  return parsed.data;
}

async function audit(options: AuditOptions, io: CommandIo): Promise<void> {
  const since = readSince(options.since, io.clock.now());
  const entries = await readAudit({ ...options, since }, io);
  if (options.json) io.print(JSON.stringify(entries));
  else for (const line of formatAudit(entries, since)) io.print(line);
}

async function readAudit(options: AuditOptions, io: CommandIo): Promise<AuditEntry[]> {
  const { rest } = await findRest(options, io);
  const filter = { since: options.since, ...(options.kind === undefined ? {} : { kind: options.kind }) };
  const args = { p_filter: filter, p_limit: options.limit };
  const answer = await callRpc(rest, { name: "clerk_sync_audit", args, schema: auditSchema }, io);
  if ("value" in answer) return answer.value;
  const code = answer.status === null ? "endpoint_unreachable" : "database_rejected";
  throw new SyncError(code, `The audit cannot be read: ${answer.reason}`);
}
