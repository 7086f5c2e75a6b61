import { checkTable, exampleValue, isOfAddresses, type TableProblem, withMissingDefaults } from "./check-table.ts";
import type { ColumnConfiguration, UsersConfiguration } from "./configuration.ts";
import { formatColumn } from "./format-column.ts";
import type { ColumnFacts, DefaultValue, TableFacts } from "./mapping.ts";
import type { RowFacts } from "./read-rows.ts";
import { isUnique } from "./resolve.ts";
import { takesSource } from "./source-types.ts";
import type { UserSource } from "./sources.ts";
import { snakeCase } from "./suggest-name.ts";
import { formatTableName } from "./table-name.ts";

/** What a table of users probably means, by the names and types of its columns. */
export type Proposal = {
  users: UsersConfiguration;
  /** The columns that may hold Clerk's id, the likeliest first; empty: the table has none. */
  keys: readonly string[];
  /** Columns that nothing of Clerk goes into. */
  unmapped: readonly string[];
  /** Problems that a default of the proposal solves; whether it is the right one, a person knows. */
  guesses: readonly TableProblem[];
  /** What must be solved before the sync can write the table. */
  problems: readonly TableProblem[];
};

type Column = ColumnConfiguration<UserSource>;

/** What people call the columns that hold a source, in snake_case; the first column that fits is taken. */
const usualNames: readonly [UserSource, readonly string[]][] = [
  ["email", ["email", "email_address", "primary_email", "primary_email_address", "user_email", "mail"]],
  ["email_verified", ["email_verified", "is_email_verified", "email_confirmed"]],
  ["phone", ["phone", "phone_number", "primary_phone_number", "mobile", "mobile_number"]],
  ["phone_verified", ["phone_verified", "is_phone_verified"]],
  ["username", ["username", "user_name"]],
  ["first_name", ["first_name", "firstname", "given_name", "forename"]],
  ["last_name", ["last_name", "lastname", "family_name", "surname"]],
  ["name", ["name", "full_name", "fullname", "display_name"]],
  [
    "image_url",
    [
      "image_url",
      "avatar_url",
      "profile_image_url",
      "picture_url",
      "photo_url",
      "profile_picture_url",
      "avatar",
      "picture",
      "image",
      "photo",
      "profile_image",
      "profile_picture",
    ],
  ],
  ["has_image", ["has_image"]],
  ["external_id", ["external_id"]],
  ["locale", ["locale"]],
  ["banned", ["banned", "is_banned"]],
  ["locked", ["locked", "is_locked"]],
  ["last_sign_in_at", ["last_sign_in_at", "last_signed_in_at", "last_login_at"]],
  ["created_at", ["created_at", "createdat", "created"]],
  ["now", ["updated_at", "updatedat", "modified_at"]],
  ["public_metadata", ["public_metadata"]],
  ["public_metadata.role", ["role", "user_role"]],
];

const keyNames = ["clerk_id", "clerk_user_id", "clerkid", "clerk_userid", "user_clerk_id", "clerk"];
const softDeleteNames = ["deleted_at", "deletedat", "archived_at"];

/**
 * Proposes what the configuration says of a table that is there. `key`: the column with Clerk's id, where a person has
 * named it. `rows`: what the rows say, where a database was read. `filledByApp`: columns that the app's ORM fills in a new
 * row, and that the database does not.
 */
export function proposeUsers(
  facts: TableFacts,
  {
    key: named,
    rows,
    filledByApp = [],
  }: { key?: string | undefined; rows?: RowFacts | undefined; filledByApp?: readonly string[] } = {},
): Proposal {
  const keys = findKeys(facts, rows ?? { clerkIdColumns: [], addressColumns: [] }, filledByApp);
  const key = named ?? keys[0] ?? "clerk_id";
  const softDelete = facts.columns.find(
    ({ name, type, isNotNull, hasDefault }) =>
      softDeleteNames.includes(snakeCase(name)) &&
      (type.kind === "timestamptz" || type.kind === "timestamp") &&
      !isNotNull &&
      !hasDefault,
  );
  const free = facts.columns.filter((column) => column.name !== key && column !== softDelete && !column.isGenerated);
  const sources = matchSources(free, facts, filledByApp);
  const columns = free.flatMap((column) => {
    const source = sources.get(column);
    return source === undefined ? [] : [proposeColumn(column, source, facts)];
  });
  const hasEmail = columns.some(({ source }) => source === "email");
  const plain: UsersConfiguration = {
    table: facts.table,
    key,
    columns,
    linkBy: hasEmail && !facts.primaryKey.includes(key) ? "email" : null,
    softDelete: softDelete?.name ?? null,
    access: null,
  };
  const filled = free
    .filter((column) => !sources.has(column) && !keys.includes(column.name))
    .flatMap((column) => fillColumn(column, facts));
  const users = withMissingDefaults({ ...plain, columns: [...columns, ...filled] }, facts);
  const before = checkTable({ users: plain }, facts, rows);
  const problems = checkTable({ users }, facts, rows);
  return {
    users,
    keys,
    unmapped: free.map(({ name }) => name).filter((name) => users.columns.every((column) => column.name !== name)),
    guesses: before.filter(({ problem }) => !problems.some((each) => each.problem === problem)),
    problems,
  };
}

/** By its name, else by its rows, else the text that is the primary key and that no default fills. */
function findKeys(
  { columns, primaryKey }: TableFacts,
  rows: Pick<RowFacts, "clerkIdColumns" | "addressColumns">,
  filledByApp: readonly string[],
): string[] {
  const texts = columns.filter(
    ({ name, type, isGenerated }) =>
      ["text", "varchar"].includes(type.kind) &&
      !isGenerated &&
      !filledByApp.includes(name) &&
      !isOfAddresses(name, rows),
  );
  const usual = texts.filter(({ name }) => keyNames.includes(snakeCase(name)));
  const alike = texts.filter((column) => !usual.includes(column) && /clerk.*id/i.test(column.name));
  const filled = texts.filter(({ name }) => rows.clerkIdColumns.includes(name));
  const [onlyKey, ...more] = primaryKey;
  const primary = texts.filter(({ name, hasDefault }) => name === onlyKey && more.length === 0 && !hasDefault);
  const likely = [filled, usual, alike, primary].find((found) => found.length > 0) ?? [];
  return likely.map(({ name }) => name);
}

function matchSources(
  columns: readonly ColumnFacts[],
  facts: TableFacts,
  filledByApp: readonly string[],
): Map<ColumnFacts, UserSource> {
  const sources = new Map<ColumnFacts, UserSource>();
  for (const [source, names] of usualNames) {
    const fitting = names.flatMap((name) =>
      columns.filter(
        (column) => snakeCase(column.name) === name && !sources.has(column) && takesSource(column.type, source),
      ),
    );
    // A table may have a time twice, in the style of its ORM and in that of SQL.
    const taken = source === "created_at" || source === "now" ? fitting : fitting.slice(0, 1);
    for (const column of taken) sources.set(column, source);
  }
  const [onlyKey, ...more] = facts.primaryKey;
  const identity = columns.find(({ name }) => name === onlyKey && more.length === 0);
  for (const column of columns) {
    const needsValue = filledByApp.includes(column.name) ? !sources.has(column) : column === identity;
    if (needsValue && !column.hasDefault && takesSource(column.type, "uuid")) sources.set(column, "uuid");
  }
  return sources;
}

function proposeColumn({ name, isNotNull, hasDefault }: ColumnFacts, source: UserSource, facts: TableFacts): Column {
  const isUnique = facts.uniques.some((columns) => columns.length === 1 && columns[0] === name);
  const needsPlaceholder = source === "email" && isNotNull && (!hasDefault || isUnique);
  const value: DefaultValue | undefined = needsPlaceholder ? "{id}@users.invalid" : undefined;
  const write = source === "created_at" ? "once" : "always";
  return { name, source, default: value, write, allowed: null };
}

/** A column that needs a value and that Clerk has nothing for: each row gets a default, until metadata has the key. */
function fillColumn({ name, type, isNotNull, hasDefault }: ColumnFacts, facts: TableFacts): Column[] {
  const value = exampleValue(type);
  const isPlain = !isUnique(facts, name) && !facts.primaryKey.includes(name) && /^[a-z_]\w*$/i.test(name);
  if (!isNotNull || hasDefault || value === null || !isPlain) return [];
  return [{ name, source: `public_metadata.${name}`, default: value, write: "always", allowed: null }];
}

/** The configuration as a person would write it. */
export function formatConfigurationFile({ users, unmapped }: Pick<Proposal, "users" | "unmapped">): string {
  const columns = users.columns.map((column) => `      ${JSON.stringify(column.name)}: ${formatColumn(column)}`);
  const settings = [
    `    "table": ${JSON.stringify(formatTableName(users.table))}`,
    `    "key": ${JSON.stringify(users.key)}`,
    `    "columns": {\n${columns.join(",\n")}\n    }`,
    ...(users.linkBy === null ? [] : [`    "link_by": ${JSON.stringify(users.linkBy)}`]),
    ...(users.softDelete === null ? [] : [`    "delete": { "soft": ${JSON.stringify(users.softDelete)} }`]),
  ];
  const others =
    unmapped.length === 0 ? "" : `    // Not from Clerk: ${unmapped.map((name) => JSON.stringify(name)).join(", ")}\n`;
  return `{
  "$schema": "./node_modules/clerk-supabase-sync/config.schema.json",
  "users": {
${others}${settings.join(",\n")}
  }
}
`;
}
