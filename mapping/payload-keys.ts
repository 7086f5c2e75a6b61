import type { KindName, Mapping } from "./mapping.ts";
import { quoteLiteral } from "./quote.ts";
import { mappedFields } from "./resolve.ts";
import { lines } from "./sql-text.ts";

/** What the sync says of an event, and decides by (law 10). */
const ofEvents = ["clerk_id", "given", "absent", "reason", "original_event", "retry_count"];

/** Of users besides: what the mirror uses. */
const ofMirror = [
  "email",
  "email_verified",
  "phone",
  "phone_verified",
  "name",
  "user_role",
  "external_id",
  "created_at",
  "banned",
  "locked",
  "deprovisioned",
  "ignored_email",
];

/** What the sync decides by besides. A permission has no table: roles have permissions. */
const ofKind: Readonly<Record<KindName | "permission", readonly string[]>> = {
  organization: [],
  membership: ["organization_id", "user_id", "created_at", "organization"],
  role: ["key"],
  permission: ["key"],
  invitation: ["organization_id"],
};

/** For the queue, which comes before what writes the rows. */
export function payloadKeys(mapping: Mapping): string {
  const { organizations, memberships, roles, invitations } = mapping;
  const kinds = [
    ["organization", organizations],
    ["membership", memberships],
    ["role", roles],
    ["permission", null],
    ["invitation", invitations],
  ] as const;
  const branches = [
    ["user", [...ofMirror, ...mappedFields(mapping.users)]] as const,
    ...kinds.map(([kind, one]) => [kind, [...ofKind[kind], ...(one === null ? [] : mappedFields(one))]] as const),
  ].map(([kind, keys]) => {
    const each = [...new Set([...ofEvents, ...keys])].map(quoteLiteral);
    return `when ${quoteLiteral(kind)} then\n      return array[\n        ${lines(each, 8)}\n      ];`;
  });
  return `-- The keys that the payload of a job about a record of this kind may have: those of the mapping, of users those of the mirror,
-- and what the sync decides by. Called for each event, so not of language sql, which starts anew each time.
create or replace function clerk_sync.payload_keys(p_kind text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
  case p_kind
    ${branches.join("\n    ")}
    else
      return array[]::text[];
  end case;
end
$$;
`;
}
