import { z } from "zod";
import { SyncError } from "../errors.ts";
import { isRecordField, isUserField, type RecordKind, type UserField } from "./sources.ts";

const mappingSchema = z.object({
  hash: z.string().min(1),
  users: z.object({
    fields: z.array(
      z.custom<UserField>((value) => typeof value === "string" && isUserField(value), "is not a field of a user"),
    ),
  }),
  organizations: recordSection("organization"),
  memberships: recordSection("membership"),
  roles: recordSection("role"),
  invitations: recordSection("invitation"),
});

/** Absent: records of this kind are not stored. */
function recordSection(kind: RecordKind) {
  const field = z.string().refine((text) => isRecordField(kind, text), "is not a field of this kind");
  return z.object({ fields: z.array(field) }).optional();
}

/**
 * What of the mapping must be known at run time: mapping.json. `hash` says which mapping it is; `fields` are the keys that
 * the payload of a job about a user, or about another record, may have.
 */
export type RuntimeMapping = z.infer<typeof mappingSchema>;

/** The keys that mapUser fills. */
export type UserFields = ReadonlySet<UserField>;

/** Reads what mapping.json holds. Throws SyncError `config_invalid` that names every problem by its place, and no value. */
export function parseMapping(value: unknown): RuntimeMapping {
  const parsed = mappingSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `  ${path.join(".") || "the file"}: ${message}`);
  throw new SyncError(
    "config_invalid",
    `mapping.json does not fit this version. Write it again by \`clerk-sync init\`, and deploy the functions:\n${problems.join("\n")}`,
    { cause: parsed.error },
  );
}

/** What the mirror in Supabase Auth writes, or decides by; of an address also whether Clerk has verified it. */
const mirrorFields = ["email", "phone", "name", "user_role", "banned", "locked", "deprovisioned"] as const;

/** What the payload of a job about a user holds (law 10): the mapped fields, and those of the mirror while it is on. */
export function fieldsOf({ users }: RuntimeMapping, mirrors: boolean): UserFields {
  return new Set([...users.fields, ...(mirrors ? mirrorFields : [])]);
}

/** What the payload of a job about a record of a kind holds; a kind that is not there is not stored. */
export type RecordFields = ReadonlyMap<RecordKind, ReadonlySet<string>>;

/** No kind beside users is stored. */
export const noRecords: RecordFields = new Map();

/** What payloads hold of organizations and what belongs to them (law 10). An event of a permission says which roles to read. */
export function recordFieldsOf({ organizations, memberships, roles, invitations }: RuntimeMapping): RecordFields {
  const sections = [
    ["organization", organizations],
    ["membership", memberships],
    ["role", roles],
    ["permission", roles && { fields: ["key"] }],
    ["invitation", invitations],
  ] as const;
  return new Map(
    sections.flatMap(([kind, section]) => (section === undefined ? [] : [[kind, new Set(section.fields)] as const])),
  );
}
