import type { ComparedLine, MappedColumn, Place, User, UserRecord } from "../contract/users.ts";
import { maskAddresses, maskEmail, maskPersonal, maskText } from "../mask-personal.ts";
import { maskError } from "../routes/jobs.ts";

/** What says nothing of a person: ids that Clerk and the sync give, times, flags, the language and the role. */
const plainSources: ReadonlySet<string> = new Set([
  "id",
  "uuid",
  "email_verified",
  "phone_verified",
  "has_image",
  "locale",
  "banned",
  "locked",
  "deprovisioned",
  "created_at",
  "updated_at",
  "last_sign_in_at",
  "now",
  "public_metadata.role",
]);

const plainFields: ReadonlySet<string> = new Set(["role", "banned", "updated_at", "version"]);

/** What is personal of a user is masked: addresses, names, numbers, pictures, ids of the app's and metadata. */
export function maskRecord<Entry extends UserRecord>(user: Entry): Entry {
  const { row, columns, values } = user;
  return {
    ...user,
    columns: columns.map((column) => ({ ...column, value: maskColumn(column.source, column.value) })),
    row: row && { ...row, email: row.email && maskEmail(row.email), name: row.name && maskText(row.name) },
    values: values && {
      ...values,
      email: values.email && maskEmail(values.email),
      name: values.name && maskText(values.name),
      phone: values.phone && maskText(values.phone),
    },
  };
}

/** The same, at all places. */
export function maskUser(user: User): User {
  const { verdict, clerk, users, auth, comparison, jobs } = user;
  return {
    ...maskRecord(user),
    is_revealed: false,
    verdict: { ...verdict, what: maskAddresses(verdict.what) },
    clerk: maskPlace(clerk),
    users: maskPlace(users),
    auth: maskPlace(auth),
    comparison: comparison.map(maskLine),
    jobs: jobs.map(maskError),
  };
}

function maskColumn(source: MappedColumn["source"], value: unknown): unknown {
  return plainSources.has(source) ? value : maskAny(value);
}

function maskLine(line: ComparedLine): ComparedLine {
  const { name, source } = line;
  if (source === null ? plainFields.has(name) : plainSources.has(source)) return line;
  return {
    ...line,
    ...("clerk" in line ? { clerk: maskAny(line.clerk) } : {}),
    ...("users" in line ? { users: maskAny(line.users) } : {}),
    ...("auth" in line ? { auth: maskAny(line.auth) } : {}),
  };
}

/** Every text in it is masked, and no key of an object says that it is not personal. */
function maskAny(value: unknown): unknown {
  return maskPersonal({ metadata: value }).metadata;
}

function maskPlace(place: Place): Place {
  const entries = Object.entries(place.values).map(([field, value]) => [
    field,
    plainFields.has(field) ? value : maskAny(value),
  ]);
  return { ...place, values: Object.fromEntries(entries) };
}
