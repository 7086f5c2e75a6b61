import { type RecordFields, recordFieldsOf } from "#core/config/mapping.ts";
import {
  invitationSources,
  kindPayloadKey,
  membershipSources,
  organizationSources,
  roleSources,
} from "#core/config/sources.ts";

type Source = Parameters<typeof kindPayloadKey>[0];

const fieldsOf = (sources: readonly Source[]) => ({
  fields: sources.map(kindPayloadKey).filter((key) => key !== null),
});

/** A mapping with every kind, and everything that Clerk says of each. */
export const allRecords: RecordFields = recordFieldsOf({
  hash: "all",
  users: { fields: [] },
  organizations: fieldsOf(organizationSources),
  memberships: fieldsOf(membershipSources),
  roles: fieldsOf(roleSources),
  invitations: fieldsOf(invitationSources),
});
