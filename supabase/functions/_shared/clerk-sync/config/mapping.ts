import { z } from "zod";
import { SyncError } from "../errors.ts";
import { isUserField, type UserField } from "./sources.ts";

const mappingSchema = z.object({
  hash: z.string().min(1),
  users: z.object({
    fields: z.array(
      z.custom<UserField>((value) => typeof value === "string" && isUserField(value), "is not a field of a user"),
    ),
  }),
});

/**
 * What of the mapping must be known at run time: mapping.json. `hash` says which mapping it is; `users.fields` are the keys
 * that the payload of a job about a user may have.
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
