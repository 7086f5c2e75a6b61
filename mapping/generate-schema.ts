import { generateCheck } from "./generate-check.ts";
import { generateKindRows } from "./generate-kind-rows.ts";
import { generateKinds } from "./generate-kinds.ts";
import { generateMemberPolicies } from "./generate-member-policies.ts";
import { generatePolicyHelpers } from "./generate-policy-helpers.ts";
import { generateUsers, noteObjects } from "./generate-users.ts";
import type { Mapping } from "./mapping.ts";
import { payloadKeys } from "./payload-keys.ts";
import { quoteLiteral } from "./quote.ts";

/** The files of supabase/schemas that a mapping generates, by their names. */
export function generateSchema(mapping: Mapping): { name: string; sql: string }[] {
  return [
    { name: "01_tables.sql", sql: `${header}${generateCheck(mapping)}\n${payloadKeys(mapping)}` },
    { name: "04_kind_rows.sql", sql: `${header}${generateKindRows(mapping)}` },
    { name: "04_users.sql", sql: `${header}${generateUsers(mapping)}` },
    { name: "05_kinds.sql", sql: `${header}${generateKinds(mapping)}\n${rightsOfFunctions}` },
    {
      name: "22_policy_helpers.sql",
      sql: [header + generatePolicyHelpers(mapping), generateMemberPolicies(mapping), noteObjects].join("\n"),
    },
  ];
}

/** A migration of a changed mapping alone makes the functions of a kind that was off. */
const rightsOfFunctions = `revoke execute on all functions in schema clerk_sync from public, anon, authenticated;
grant execute on all functions in schema clerk_sync to service_role;
`;

/** What a mapping generates, as one script. */
export function generateScript(mapping: Mapping): string {
  return generateSchema(mapping)
    .map(({ sql }) => sql)
    .join("\n");
}

const header = "-- Generated from clerk-sync.config.json.\n\n";

/** The line that stands before each file in a migration. */
export const formatFileName = (name: string) => `-- ---- ${name} ----\n\n`;

/** Whether a migration has the files that a mapping generates. */
export const isWholeSchema = (migration: string) => migration.includes(formatFileName("01_tables.sql"));

/**
 * A migration of the whole schema with what this mapping generates, in place of what another did. One that is of this
 * mapping already stays as it is. The hash leaves foreign keys of other tables out, and the SQL names them: a table that
 * has some is composed always.
 */
export function composeMigration(migration: string, mapping: Mapping): string {
  const isOfMapping = migration.includes(quoteLiteral(mapping.hash)) && mapping.users.references.length === 0;
  if (isOfMapping) return migration;
  return generateSchema(mapping).reduce((text, { name, sql }) => {
    const start = text.indexOf(formatFileName(name));
    if (start < 0) throw new RangeError(`the migration has no file ${name}`);
    const next = text.indexOf("\n-- ---- ", start);
    return `${text.slice(0, start)}${formatFileName(name)}${sql}${next < 0 ? "" : text.slice(next)}`;
  }, migration);
}
