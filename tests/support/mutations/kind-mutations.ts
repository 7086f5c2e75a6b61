import type { Mutation } from "./mutations.ts";

const order = "tests/integration/organizations/order.test.ts";
const races = "tests/integration/organizations/races.test.ts";
const membersSql = "supabase/schemas/07_memberships.sql";
const applySql = "supabase/schemas/08_apply.sql";
const kinds = "mapping/generate-kinds.ts";

/** What holds for organizations and their memberships, each with the line that upholds it. */
export const kindRules: readonly Mutation[] = [
  {
    test: order,
    title: "a membership that comes before its organization or its user > brings its organization along",
    edits: [{ file: kinds, find: "perform clerk_sync.apply_embedded(p_events, p_now);", replace: "null;" }],
  },
  {
    test: order,
    title:
      "a membership that comes before its organization or its user > does not revive its deleted organization, and stays out",
    edits: [{ file: membersSql, find: "          then 'organization_deleted'", replace: "          then null" }],
  },
  {
    test: order,
    title: "what ends with its organization or user > a late membership of a deleted user stays out",
    edits: [{ file: membersSql, find: "          then 'user_deleted'", replace: "          then null" }],
  },
  {
    test: order,
    title: "what ends with its organization or user > memberships end with their organization, and with their user",
    edits: [
      {
        file: applySql,
        find: "    perform clerk_sync.end_memberships(p_kind, v_deleted, p_now);\n",
        replace: "",
      },
    ],
  },
  {
    test: order,
    title: "a member who leaves and joins again > has the new membership, without the old one's deletion",
    edits: [
      { file: membersSql, find: "then 'replaced'", replace: "then null" },
      { file: kinds, find: "and (o.has_row or o.created_at >= s.made_at)", replace: "and false" },
    ],
  },
  {
    test: order,
    title:
      "a member who leaves and joins again > stays away when the new membership was deleted before the old one is heard of",
    edits: [{ file: kinds, find: "and (o.has_row or o.created_at >= s.made_at)", replace: "and o.has_row" }],
  },
  {
    test: order,
    title:
      "what ends with its organization or user > a restored organization asks for a read of its memberships, and takes them again",
    edits: [{ file: applySql, find: "    perform clerk_sync.queue_members(p_kind, v_revived, p_now);\n", replace: "" }],
  },
  {
    test: races,
    title: "a membership is not written while its organization is being deleted, and stays out after it",
    edits: [{ file: membersSql, within: "clerk_sync.lock_parents", find: " for share skip locked", replace: "" }],
  },
  {
    test: races,
    title: "two memberships of one organization are written at the same time",
    edits: [{ file: kinds, find: "for share skip locked", replace: "for update skip locked" }],
  },
];
