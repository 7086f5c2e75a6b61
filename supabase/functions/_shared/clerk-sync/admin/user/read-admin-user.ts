import type { FreshUser } from "../../clerk/clerk-api.ts";
import { mapUser } from "../../clerk/map-user.ts";
import type { UserFields } from "../../config/mapping.ts";
import type { Difference, RunsDatabase } from "../../reconcile/runs-database.ts";
import { type ComparedField, comparedFields, type Place, type User, type UserRecord } from "../contract/users.ts";
import type { AdminDatabase, StoredUser } from "../database.ts";
import { maskAddresses, maskEmail, maskText } from "../mask-personal.ts";
import { maskError } from "../routes/jobs.ts";
import { judgeUser } from "./judge-user.ts";
import { type PlaceReaders, readAuthPlace, readClerkPlace, toUsersPlace } from "./read-places.ts";
import { explainIgnored } from "./user-words.ts";

export type AdminUserOptions = {
  database: AdminDatabase;
  /** Compares what Clerk says with what is here, as reconcile does. */
  compareUsers: RunsDatabase["compareUsers"];
  places: PlaceReaders;
  /** What is stored of a user, and compared: fieldsOf the mapping. */
  fields: UserFields;
  /** Unix milliseconds. */
  now: () => number;
};

/** One user as the database, Clerk and Supabase Auth know them, unmasked, and why they are out of sync. */
export async function readAdminUser(clerkId: string, options: AdminUserOptions): Promise<User> {
  const { database, places, now } = options;
  const reading = database.user(clerkId);
  const [stored, clerk, auth, circuits, brake] = await Promise.all([
    reading,
    readClerkPlace(clerkId, places.clerk),
    readAuthPlace(clerkId, reading, places.auth),
    database.circuits(),
    database.brake(),
  ]);
  const found = { clerk: clerk.place, users: toUsersPlace(stored), auth };
  const [difference, emailHolder] = await Promise.all([
    compareWithClerk(clerk.fresh, options),
    findEmailHolder(clerkId, found, options),
  ]);
  const differences = findDifferences(found, stored, difference);
  const { row, state, jobs } = stored;
  const isRowKept = Boolean(row?.deleted_at);
  const facts = { ...found, isRowKept, state, jobs, circuits, brake, difference, differences, emailHolder, now: now() };
  const verdict = judgeUser(facts);
  return { ...stored, is_revealed: false, verdict, ...found, differences, ignored_note: explainIgnored(state) };
}

/** Emails, names and phones are masked. */
export function maskRecord<Entry extends UserRecord>(user: Entry): Entry {
  const { row, values } = user;
  return {
    ...user,
    row: row && { ...row, email: row.email && maskEmail(row.email), name: row.name && maskText(row.name) },
    values: values && { ...values, phone: values.phone && maskText(values.phone) },
  };
}

/** The same, at all places. */
export function maskUser(user: User): User {
  const { verdict, clerk, users, auth, jobs } = user;
  return {
    ...maskRecord(user),
    is_revealed: false,
    verdict: { ...verdict, what: maskAddresses(verdict.what) },
    clerk: maskPlace(clerk),
    users: maskPlace(users),
    auth: maskPlace(auth),
    jobs: jobs.map(maskError),
  };
}

const masks: Partial<Record<ComparedField, (text: string) => string>> = {
  email: maskEmail,
  name: maskText,
  phone: maskText,
};

function maskPlace(place: Place): Place {
  const entries = Object.entries(place.values).map(([field, value]) => {
    const mask = masks[field as ComparedField];
    return [field, mask !== undefined && typeof value === "string" ? mask(value) : value];
  });
  return { ...place, values: Object.fromEntries(entries) };
}

/** Who has the address that this user's row should have. */
async function findEmailHolder(
  clerkId: string,
  { clerk, users }: Places,
  { database }: AdminUserOptions,
): Promise<string | null> {
  const email = clerk.values.email;
  if (typeof email !== "string" || users.state !== "present" || users.values.email !== null) return null;
  const page = await database.users(email, "present", { cursor: null, limit: 10 });
  const holder = page.users.find(
    (user) => user.clerk_id !== clerkId && user.row?.email?.toLowerCase() === email.toLowerCase(),
  );
  return holder?.clerk_id ?? null;
}

async function compareWithClerk(
  fresh: FreshUser | null,
  { compareUsers, places, fields }: AdminUserOptions,
): Promise<Difference | null> {
  if (fresh === null || fresh.deleted) return null;
  const row = { clerk_id: fresh.user.id, version: fresh.version, payload: mapUser(fresh.user, fields) };
  const [difference] = await compareUsers([row], places.auth !== null, false);
  return difference ?? null;
}

type Places = { clerk: Place; users: Place; auth: Place };

/** What Clerk and the row differ in says the rule of reconcile, which knows the roles that may be stored. */
function findDifferences({ clerk, users, auth }: Places, stored: StoredUser, difference: Difference | null) {
  const found = new Set<string>(differsFromRow(clerk, users, difference));
  if (users.state === "present" && auth.state === "present") {
    for (const field of mirroredFields(stored)) {
      if (normalise(field, users.values[field]) !== normalise(field, auth.values[field])) found.add(field);
    }
  }
  return comparedFields.filter((field) => found.has(field));
}

function differsFromRow(clerk: Place, users: Place, difference: Difference | null): string[] {
  if (clerk.state !== "present" || users.state !== "present") return [];
  const fields = difference === null ? [] : difference.fields;
  const names = Array.isArray(fields) ? fields : Object.keys(fields);
  return clerk.values.updated_at === users.values.updated_at ? names : [...names, "updated_at"];
}

/** Auth is given the phone only where there is no email, and what the sync never applied it was not given at all. */
function mirroredFields({ row, state }: StoredUser): ComparedField[] {
  if (state === null || state.version === null) return [];
  const fields: ComparedField[] = ["email", "name", "role", "banned", "updated_at"];
  return row?.email ? fields : [...fields, "phone"];
}

/** Auth keeps addresses in lower case and numbers without their plus. */
function normalise(field: ComparedField, value: string | boolean | null | undefined): string | boolean {
  if (typeof value !== "string") return value ?? "";
  if (field === "email") return value.toLowerCase();
  return field === "phone" ? value.replace(/\D/g, "") : value;
}
