import type { OrganizationHappening, OrganizationHistory } from "./draw-organization.ts";

/** What must be true of a record in the database once everything has arrived; null: it has no row. */
export type ExpectedRecord = {
  kind: "organization" | "membership";
  id: string;
  row: { [column: string]: string | null } | null;
};

/**
 * Reads off the end of a history which rows there must be, in whatever order it is given. Written from the rules and not
 * from the core's code, which it is there to check. `isGone`: a user who is deleted has no memberships.
 */
export function expectOrganization(
  history: OrganizationHistory,
  isGone: (userId: string) => boolean,
): ExpectedRecord[] {
  const latest = new Map<string, OrganizationHappening>();
  for (const happening of history) {
    const { id } = "membership" in happening ? happening.membership : happening.organization;
    if ("invitation" in happening) continue;
    const known = latest.get(id);
    if (known === undefined || happening.at > known.at) latest.set(id, happening);
  }
  const [{ organization }] = history;
  const isEnded = latest.get(organization.id)?.type === "organization.deleted";
  return [...latest].map(([id, last]): ExpectedRecord => {
    if (!("membership" in last)) {
      const { name, slug } = last.organization;
      return { kind: "organization", id, row: isEnded ? null : { name: name.trim(), slug } };
    }
    const { userId, role } = last.membership;
    const lives = last.type !== "organizationMembership.deleted" && !isEnded && !isGone(userId);
    return { kind: "membership", id, row: lives ? { organization_id: organization.id, user_id: userId, role } : null };
  });
}
