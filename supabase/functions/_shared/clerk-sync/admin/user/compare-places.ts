import type { MappedUser } from "../../clerk/map-user.ts";
import { isMetadataPath, payloadKey, type UserSource } from "../../config/sources.ts";
import type { Difference } from "../../reconcile/runs-database.ts";
import {
  type ComparedField,
  type ComparedLine,
  comparedFields,
  type MappedColumn,
  type Place,
} from "../contract/users.ts";
import type { StoredUser } from "../database.ts";

export type Places = { clerk: Place; users: Place; auth: Place };

/** Sources that Supabase Auth is given, by what it calls them. */
const fieldsBySource: Readonly<Record<string, ComparedField>> = {
  email: "email",
  name: "name",
  phone: "phone",
  banned: "banned",
  "public_metadata.role": "role",
};

/** The column that holds a field; undefined: the mapping has none. */
export function findColumn(columns: readonly MappedColumn[], field: ComparedField): MappedColumn | undefined {
  return columns.find(({ source }) => fieldsBySource[source] === field);
}

/**
 * Compares the places line by line: the columns, then the fields that no column has. `said` is what Clerk says, as an event
 * has it, and `difference` what reconcile would report: what Clerk and the row differ in is its rule, which knows defaults.
 */
export function comparePlaces(
  places: Places,
  stored: StoredUser,
  { said, difference }: { said: MappedUser | null; difference: Difference | null },
): ComparedLine[] {
  const here = new Set(namesOf(places, difference));
  const there = new Set(differsFromAuth(places, stored));
  const held = new Set<string | undefined>(stored.columns.map(({ source }) => fieldsBySource[source]));
  const rest = comparedFields.filter((field) => !held.has(field) && isKnown(field, places, stored));
  return [
    ...stored.columns.map((column) => {
      const field = fieldsBySource[column.source];
      const differs = here.has(column.name) || (field !== undefined && there.has(field));
      return { ...lineOfColumn(column, places, said), differs };
    }),
    ...rest.map((field) => {
      const differsHere = field === "updated_at" ? isOtherVersion(places) : here.has(field);
      return { ...lineOfField(field, places), differs: differsHere || there.has(field) };
    }),
  ];
}

/** The names of what differs: lines, and what the sync keeps beside the row and no line shows, like external_id. */
export function findDifferences(
  lines: readonly ComparedLine[],
  places: Places,
  difference: Difference | null,
): string[] {
  const shown = new Set(lines.map(({ name }) => name));
  const others = namesOf(places, difference).filter((name) => !shown.has(name));
  return [...lines.filter(({ differs }) => differs).map(({ name }) => name), ...others];
}

function lineOfColumn({ name, source, value }: MappedColumn, { clerk, users, auth }: Places, said: MappedUser | null) {
  const field = fieldsBySource[source];
  const atClerk = clerk.state === "present" && said !== null ? readSaid(source, said) : undefined;
  return {
    name,
    source,
    ...(atClerk === undefined ? {} : { clerk: atClerk }),
    ...(users.state === "present" ? { users: value } : {}),
    ...(field !== undefined && auth.state === "present" ? { auth: auth.values[field] ?? null } : {}),
  };
}

/** Undefined: Clerk does not say it. A role that Clerk does not have is user in a payload, and none here. */
function readSaid(source: string, said: MappedUser): unknown {
  const key = payloadKey(source as UserSource);
  if (key === null) return source === "id" ? said.clerk_id : undefined;
  const value: unknown = said[key as keyof MappedUser];
  return isMetadataPath(source) && value !== undefined && !said.given?.includes(source) ? null : value;
}

function lineOfField(field: ComparedField, { clerk, users, auth }: Places) {
  const valueAt = ({ state, values }: Place) => (state === "present" ? values[field] : undefined);
  const [atClerk, here, inAuth] = [valueAt(clerk), valueAt(users), valueAt(auth)];
  return {
    name: field === "updated_at" ? "version" : field, // a column may be called updated_at
    source: null,
    ...(atClerk === undefined ? {} : { clerk: atClerk }),
    ...(here === undefined ? {} : { users: here }),
    ...(inAuth === undefined ? {} : { auth: inAuth }),
  };
}

/** Without a column a field counts where the sync keeps it for the mirror. updated_at is what the verdict decides by. */
function isKnown(field: ComparedField, { auth }: Places, { values }: StoredUser): boolean {
  if (field === "updated_at" || auth.state !== "off") return true;
  return field === "banned" ? values?.banned === true : Boolean(values?.[field]);
}

function namesOf({ clerk, users }: Places, difference: Difference | null): string[] {
  if (clerk.state !== "present" || users.state !== "present" || difference === null) return [];
  return Array.isArray(difference.fields) ? difference.fields : Object.keys(difference.fields);
}

function isOtherVersion({ clerk, users }: Places): boolean {
  if (clerk.state !== "present" || users.state !== "present") return false;
  return clerk.values.updated_at !== users.values.updated_at;
}

/** Auth is given the phone only where there is no email, and what the sync never applied it was not given at all. */
function differsFromAuth({ users, auth }: Places, { state }: StoredUser): ComparedField[] {
  if (users.state !== "present" || auth.state !== "present") return [];
  if (state === null || state.version === null) return [];
  return comparedFields.filter(
    (field) =>
      !(field === "phone" && users.values.email) &&
      normalise(field, users.values[field]) !== normalise(field, auth.values[field]),
  );
}

/** Auth keeps addresses in lower case and numbers without their plus. */
function normalise(field: ComparedField, value: string | boolean | null | undefined): string | boolean {
  if (typeof value !== "string") return value ?? "";
  if (field === "email") return value.toLowerCase();
  return field === "phone" ? value.replace(/\D/g, "") : value;
}
