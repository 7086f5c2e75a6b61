import { z } from "zod";
import { configurationName } from "../../mapping/read-configuration.ts";
import type { Finding } from "./finding.ts";
import type { Database } from "./reach-database.ts";

/** What clerk_sync_skipped_kinds answers. */
export const skippedKindsSchema = z.array(
  z.object({ kind: z.string(), events: z.number(), last_at: z.string(), setting: z.string().nullable() }),
);

/** Clerk shows these events as delivered, and nothing here shows that they came. Of kinds that no setting stores nothing is said. */
export function explainSkipped(
  kinds: z.infer<typeof skippedKindsSchema>,
  { isSupabase }: Pick<Database, "isSupabase">,
): Finding[] {
  const apply = isSupabase
    ? "npx clerk-sync generate, npx supabase db push --remote and npx supabase functions deploy"
    : "npx clerk-sync migrate, and restart each server";
  return kinds.flatMap(({ kind, events, setting }): Finding[] => {
    if (setting === null) return [];
    const came =
      events === 1
        ? "1 event came in 7 days and is"
        : `${events.toLocaleString("en-US")} events came in 7 days and are`;
    const needs = setting === "memberships" ? ' (they need "organizations", too)' : "";
    return [
      {
        check: "kinds",
        state: "warning",
        what: `${kind}: ${came} not stored`,
        remedy: `To store them, add "${setting}": true to ${configurationName}${needs}. Then run: ${apply}. If you do not need them, take them out of the endpoint in Clerk's dashboard.`,
      },
    ];
  });
}
