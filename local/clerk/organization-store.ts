import { type ClerkApiItem, createItemStore, type ItemStore, type UserStore } from "./item-store.ts";

// As Clerk's API shows them, and as the data of their events is.
export type ClerkApiOrganization = ClerkApiItem & { name?: string; slug?: string | null };
export type ClerkApiMembership = ClerkApiItem & {
  organization: { id: string };
  public_user_data: { user_id: string };
  role: string;
};
type ClerkApiKey = ClerkApiItem & { key: string; name?: string };
type ClerkApiInvitation = ClerkApiItem & { organization_id: string; status: string; email_address: string };

type Owner = "organization" | "user";

/** The organizations of an instance with what belongs to them; a test changes them as Clerk would. */
export type OrganizationStore = {
  /** An organization that is deleted takes its memberships and invitations with it. */
  organizations: ItemStore<ClerkApiOrganization>;
  memberships: ItemStore<ClerkApiMembership>;
  roles: ItemStore<ClerkApiKey>;
  permissions: ItemStore<ClerkApiKey>;
  invitations: ItemStore<ClerkApiInvitation>;
  /** The memberships of an organization or of a user, the oldest first. */
  membershipsOf: (owner: Owner, id: string) => readonly ClerkApiMembership[];
};

const ownerOf: { readonly [By in Owner]: (membership: ClerkApiMembership) => string } = {
  organization: (membership) => membership.organization.id,
  user: (membership) => membership.public_user_data.user_id,
};
const owners: readonly Owner[] = ["organization", "user"];

/** Makes the stores of an instance without users and organizations. A user who is deleted takes the memberships along. */
export function createInstanceStores(): OrganizationStore & { users: UserStore } {
  const owned = { organization: new Map(), user: new Map() } as Record<
    Owner,
    Map<string, Map<string, ClerkApiMembership>>
  >;
  const memberships = createItemStore<ClerkApiMembership>({
    added: (membership) => {
      for (const owner of owners) {
        const id = ownerOf[owner](membership);
        owned[owner].set(id, (owned[owner].get(id) ?? new Map()).set(membership.id, membership));
      }
    },
    removed: (membership) => {
      for (const owner of owners) owned[owner].get(ownerOf[owner](membership))?.delete(membership.id);
    },
  });
  const invitations = createItemStore<ClerkApiInvitation>();
  const membershipsOf = (owner: Owner, id: string) =>
    [...(owned[owner].get(id)?.values() ?? [])].sort(
      (one, other) => (one.created_at ?? 0) - (other.created_at ?? 0) || (one.id < other.id ? -1 : 1),
    );
  const endMemberships = (owner: Owner, id: string) => {
    for (const membership of membershipsOf(owner, id)) memberships.delete(membership.id);
  };
  return {
    users: createItemStore({
      removed: ({ id }, isReplaced) => {
        if (!isReplaced) endMemberships("user", id);
      },
    }),
    organizations: createItemStore({
      removed: ({ id }, isReplaced) => {
        if (isReplaced) return;
        endMemberships("organization", id);
        const ended = [...invitations.values()].filter((invitation) => invitation.organization_id === id);
        for (const invitation of ended) invitations.delete(invitation.id);
      },
    }),
    memberships,
    roles: createItemStore(),
    permissions: createItemStore(),
    invitations,
    membershipsOf,
  };
}
