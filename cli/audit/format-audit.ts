import { z } from "zod";

const entrySchema = z.object({
  kind: z.string(),
  source: z.string(),
  subject: z.string(),
  code: z.string(),
  count: z.number(),
  last_at: z.string(),
  detail: z.looseObject({ jobs: z.array(z.string()).optional() }),
});

export const auditSchema = z.array(entrySchema);

export type AuditEntry = z.infer<typeof entrySchema>;

const sentences: Readonly<Record<string, (entry: AuditEntry) => string>> = {
  delivery_refused: ({ count, source, code }) => `${count} × refused (${code}) from ${source || "no gateway"}`,
  instance_unknown: ({ count, subject, code }) =>
    `${count} × ${code} of instance ${subject || "(none named)"}, not applied`,
  sample_event: ({ count, code }) => `${count} × the sample ${code}: the signature is right`,
  event_trimmed: ({ count, subject, code }) => `${count} × ${code} without ${subject}: left as they are`,
  job_edited: ({ count, source, code, detail }) =>
    `${count} jobs, ${code} by ${source}: ${detail.jobs?.join(", ") ?? ""}`,
  burst: ({ count }) => `${count} events within five minutes`,
  flapping_user: ({ count, subject }) => `${count} events within an hour of ${subject}`,
  operator_action: ({ count, source, code, subject }) => `${source}: ${code} ${subject}, ${count} changed`,
};

/** One line an entry, the newest first. */
export function formatAudit(entries: readonly AuditEntry[], since: string): string[] {
  if (entries.length === 0) return [`Nothing since ${since}.`];
  const width = Math.max(...entries.map(({ kind }) => kind.length));
  return entries.map((entry) => {
    const what = sentences[entry.kind]?.(entry) ?? `${entry.count} × ${entry.subject}`;
    return `${new Date(entry.last_at).toISOString()}  ${entry.kind.padEnd(width)}  ${what}`;
  });
}
