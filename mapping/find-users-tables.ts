import type { TableFacts } from "./mapping.ts";
import { proposeUsers } from "./propose-users.ts";
import { isUnique } from "./resolve.ts";
import { snakeCase } from "./suggest-name.ts";

const usualNames = [
  ["users", "user", "app_users", "app_user"],
  ["profiles", "profile", "user_profiles", "user_profile"],
  ["accounts", "account", "members", "member", "people", "persons", "person", "customers", "customer"],
];

/**
 * The tables that may be those of an app's users, the likeliest first: those that have each of Clerk's ids once, else those
 * that are called so. Several are returned only where a person has to say which is meant.
 */
export function findUsersTables<Table extends { facts: TableFacts }>(tables: readonly Table[]): Table[] {
  const candidates = tables.filter(({ facts }) => facts.isTable);
  const withClerkIds = candidates.filter(({ facts }) => hasClerkIds(facts));
  const named = (of: readonly Table[]) =>
    usualNames
      .map((names) => of.filter(({ facts }) => names.includes(snakeCase(facts.table.name))))
      .find((found) => found.length > 0) ?? [];
  if (withClerkIds.length > 0) {
    const usual = named(withClerkIds);
    return usual.length === 1 ? usual : withClerkIds;
  }
  return named(candidates);
}

/** Tables that may be meant as well, where one was chosen: each has each of Clerk's ids once, or is called like one of users. */
export function findOtherTables<Table extends { facts: TableFacts }>(tables: readonly Table[], chosen: Table): Table[] {
  return tables.filter(
    (each) =>
      each !== chosen &&
      each.facts.isTable &&
      (hasClerkIds(each.facts) || usualNames.flat().includes(snakeCase(each.facts.table.name))),
  );
}

function hasClerkIds(facts: TableFacts): boolean {
  const [key] = proposeUsers(facts).keys;
  return key !== undefined && /clerk/i.test(key) && isUnique(facts, key);
}
