import type { FreshUser } from "../../clerk/clerk-api.ts";
import { mapUser } from "../../clerk/map-user.ts";
import type { UserFields } from "../../config/mapping.ts";
import type { Difference, RunsDatabase } from "../../reconcile/runs-database.ts";
import type { User } from "../contract/users.ts";
import type { AdminDatabase } from "../database.ts";
import { comparePlaces, findColumn, findDifferences, type Places } from "./compare-places.ts";
import { judgeUser } from "./judge-user.ts";
import { type PlaceReaders, readAuthPlace, readClerkPlace, toUsersPlace } from "./read-places.ts";
import { explainIgnored, explainUnlinked } from "./user-words.ts";

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
  const said = clerk.fresh === null || clerk.fresh.deleted ? null : mapUser(clerk.fresh.user, options.fields);
  const [difference, emailHolder] = await Promise.all([
    compareWithClerk(clerk.fresh, options),
    findEmailHolder(clerkId, found, options),
  ]);
  const comparison = comparePlaces(found, stored, { said, difference });
  const differences = findDifferences(comparison, found, difference);
  const { row, columns, table, state, jobs } = stored;
  const isRowKept = Boolean(row?.deleted_at);
  const nameColumn = findColumn(columns, "name")?.name ?? null;
  const facts = { table, nameColumn, isRowKept, state, jobs, circuits, brake, difference, differences, emailHolder };
  const verdict = judgeUser({ ...found, ...facts, now: now() });
  return {
    ...stored,
    is_revealed: false,
    verdict,
    ...found,
    comparison,
    differences,
    ignored_note: explainIgnored(state),
    unlinked_note: explainUnlinked(stored),
  };
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
