import { z } from "zod";

/** An object of the sync that is not as the last migration left it; `compromised`: events cannot be stored or applied. */
export const objectFindingSchema = z.object({
  object: z.string(),
  state: z.enum(["missing", "changed"]),
  status: z.enum(["degraded", "compromised"]),
});

export type ObjectFinding = z.infer<typeof objectFindingSchema>;

export const repairRemedy =
  "Run clerk-sync migrate --repair: it puts them back, and keeps the rows that are there; for a Supabase project it prints the commands. docs/other-tools.md says how to keep drizzle-kit and Prisma away from them.";

const mostNames = 6;

/** The objects in one sentence: those that are missing, and those that are changed. */
export function describeObjects(findings: readonly ObjectFinding[]): string {
  const list = (state: ObjectFinding["state"]) => {
    const names = findings.filter((finding) => finding.state === state).map(({ object }) => object);
    const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : "";
    return names.length === 0 ? [] : [`${state}: ${names.slice(0, mostNames).join(", ")}${more}`];
  };
  return `Objects of the sync are ${[...list("missing"), ...list("changed")].join("; ")}.`;
}
