import { SyncError } from "#core/errors.ts";
import { adviseTable, checkTable, formatProblems, isOfAddresses } from "../../mapping/check-table.ts";
import type { Configuration } from "../../mapping/configuration.ts";
import { plainConfiguration } from "../../mapping/expand-configuration.ts";
import { findOtherTables, findUsersTables } from "../../mapping/find-users-tables.ts";
import type { TableFacts } from "../../mapping/mapping.ts";
import { formatConfigurationFile, type Proposal, proposeUsers } from "../../mapping/propose-users.ts";
import type { RowFacts } from "../../mapping/read-rows.ts";
import { formatTableName } from "../../mapping/table-name.ts";
import type { CommandIo } from "../command-io.ts";
import { describeProposal, listCascades } from "./describe-proposal.ts";

/** A table that was found, where it is made, and what its rows say where a database was read. */
export type FoundTable = {
  facts: TableFacts;
  place: string;
  rows?: RowFacts | undefined;
  /** Columns that only the app fills in a new row. */
  filledByApp: readonly string[];
};

export type MappingAnswers = {
  /** The table and the key, as options name them. */
  table?: string | undefined;
  key?: string | undefined;
  /** What becomes of the rows of deleted users. */
  delete?: "hard" | "soft" | undefined;
  /** Takes what is proposed, and refuses where a guess could hurt. */
  yes: boolean;
  /** Asks nothing: there is no person to answer. */
  isSilent: boolean;
  /** Shows what a person would be asked to confirm, and asks nothing. */
  dryRun: boolean;
};

/** What was chosen; `text`: the file to write. */
type ChosenMapping = { configuration: Configuration; text: string; lines: string[] };

/**
 * Proposes a mapping of the users table that was found, and asks what it cannot know: which table, which column has
 * Clerk's id, whether deleted users keep their rows. Null: the person stopped. Without a table the migration makes one.
 * Throws SyncError `usage_invalid` where an option names what is not there, or a guess could hurt and no person can answer,
 * and `migration_refused` where the table has to be changed first.
 */
export async function chooseMapping(
  tables: readonly FoundTable[],
  answers: MappingAnswers,
  io: Pick<CommandIo, "choose">,
): Promise<ChosenMapping | null> {
  const choose = answers.yes || answers.isSilent || answers.dryRun ? null : io.choose;
  const table = await chooseTable(tables, answers, choose);
  if (table === "stop") return null;
  if (table === null) return plainTable();
  const key = await chooseKey(table, answers, choose);
  if (key === "stop") return null;
  const proposal = proposeUsers(table.facts, {
    key: key ?? undefined,
    rows: table.rows,
    filledByApp: table.filledByApp,
  });
  if (proposal.problems.length > 0) throw refuseTable(proposal, table); // before a question is asked for nothing
  if (choose === null && !answers.dryRun && proposal.guesses.length > 0) throw refuseGuess(proposal, table);
  const users = await chooseDeletion(proposal, table.facts, answers, choose);
  if (users === "stop") return null;
  const chosen = { ...proposal, users };
  const problems = checkTable(chosen, table.facts, table.rows);
  if (problems.length > 0) throw refuseTable({ users, problems }, table);
  const others = findOtherTables(tables, table).map((each) => formatTableName(each.facts.table));
  return {
    configuration: { ...plainConfiguration, users },
    text: formatConfigurationFile(chosen),
    lines: [
      ...describeProposal(chosen, table.facts, table.place),
      ...others.map((name) => `If your users are in ${name} instead: --table ${name}`),
      ...describeRefused(chosen, table),
    ],
  };
}

type Choose = CommandIo["choose"];

async function chooseTable(
  tables: readonly FoundTable[],
  { table: named }: MappingAnswers,
  choose: Choose,
): Promise<FoundTable | null | "stop"> {
  const nameOf = ({ facts }: FoundTable) => formatTableName(facts.table);
  if (named !== undefined) {
    const wanted = named.includes(".") ? named : `public.${named}`;
    const found = tables.find((each) => nameOf(each) === wanted);
    if (found !== undefined) return found;
    const known = tables.length === 0 ? "No table was found" : `These were found: ${tables.map(nameOf).join(", ")}`;
    throw new SyncError(
      "usage_invalid",
      `--table names ${named}, which no migration, Prisma schema or Drizzle schema of this folder makes. ${known}. Pass --db-url to look in a database.`,
    );
  }
  const likely = findUsersTables(tables);
  const [first, ...more] = likely;
  if (first === undefined) return null;
  if (more.length === 0) return first;
  if (choose === null) {
    const list = likely.map((each) => `${nameOf(each)} (${each.place})`).join(", ");
    throw new SyncError(
      "usage_invalid",
      `Several tables may be the one of your users: ${list}. Say which: add --table ${nameOf(first)}`,
    );
  }
  const choices = likely.map((each) => ({ value: nameOf(each), label: `${nameOf(each)} (${each.place})` }));
  const answer = await choose("Which table has your users?", choices);
  return likely.find((each) => nameOf(each) === answer) ?? "stop";
}

/** Null: the table has none, and the proposal says so. */
async function chooseKey(
  { facts, rows, filledByApp }: FoundTable,
  { key: named }: MappingAnswers,
  choose: Choose,
): Promise<string | null | "stop"> {
  if (named !== undefined) {
    const isThere = facts.columns.some(({ name }) => name === named);
    if (isThere && isOfAddresses(named, { addressColumns: rows?.addressColumns ?? [] })) {
      const [meant] = proposeUsers(facts, { rows, filledByApp }).keys;
      const remedy =
        meant === undefined ? "Leave --key out to see what the table lacks." : `Is ${meant} meant? --key ${meant}`;
      const message = `--key names ${named}, a column of email addresses, and the key holds Clerk's ids (user_…): each user would get a second row. ${remedy}`;
      throw new SyncError("usage_invalid", message);
    }
    if (isThere) return named;
    const known = facts.columns.map(({ name }) => name).join(", ");
    const message = `--key names ${named}, and ${formatTableName(facts.table)} has no such column. It has: ${known}.`;
    throw new SyncError("usage_invalid", message);
  }
  const { keys } = proposeUsers(facts, { rows, filledByApp });
  if (keys.length < 2) return keys[0] ?? null;
  if (choose === null) {
    const message = `Several columns of ${formatTableName(facts.table)} may hold Clerk's id: ${keys.join(", ")}. Say which: add --key ${keys[0]}`;
    throw new SyncError("usage_invalid", message);
  }
  const choices = keys.map((value) => ({ value, label: value }));
  return (await choose("Which column holds Clerk's id of the user?", choices)) ?? "stop";
}

/** Asked only where other rows go with a user's: an accident at Clerk would take them. */
async function chooseDeletion(
  { users }: Proposal,
  facts: TableFacts,
  { delete: named, dryRun }: MappingAnswers,
  choose: Choose,
): Promise<Proposal["users"] | "stop"> {
  const softly = { ...users, softDelete: users.softDelete ?? "deleted_at" };
  if (named !== undefined) return named === "soft" ? softly : { ...users, softDelete: null };
  const cascades = listCascades(facts);
  if (users.softDelete !== null || cascades.length === 0 || dryRun) return users;
  const question = `When a user is deleted at Clerk, the row goes, and with it the user's rows of ${cascades.join(", ")} (on delete cascade).`;
  if (choose === null) {
    const message = `${question} Say whether that is right: add --delete hard, or --delete soft to keep the row and mark it in a column deleted_at.`;
    throw new SyncError("usage_invalid", message);
  }
  const answer = await choose(`${question} Is that right?`, [
    { value: "hard", label: "Yes, delete them" },
    { value: "soft", label: "No, keep the row and mark it in a column deleted_at" },
  ]);
  if (answer === null) return "stop";
  return answer === "hard" ? users : softly;
}

/** The table of a project that has none. */
function plainTable(): ChosenMapping {
  const { users } = plainConfiguration;
  const table = formatTableName(users.table);
  return {
    configuration: plainConfiguration,
    text: formatConfigurationFile({ users, unmapped: [] }),
    lines: [
      `No table of users was found, so the migration makes ${table}: ${[users.key, ...users.columns.map(({ name }) => name)].join(", ")}.`,
      "A signed-in user may read the own row. If your users are in a table already, name it: --table <table>, or --db-url to look in a database.",
    ],
  };
}

/** Values that stay, although Clerk may give no such value: a person decides whether they are allowed. */
function describeRefused({ users }: Proposal, { rows }: FoundTable): string[] {
  if (rows === undefined) return [];
  const advice = adviseTable({ users }, rows);
  return advice.length === 0 ? [] : formatProblems(advice).split("\n");
}

function refuseTable(
  { users, problems }: Pick<Proposal, "users" | "problems">,
  { facts, place }: FoundTable,
): SyncError {
  const table = formatTableName(users.table);
  const isOfSupabaseAuth = facts.pointsTo.some(({ table: other }) => other.schema === "auth" && other.name === "users");
  const lines = [
    `The sync cannot write ${table} (${place}) as it is. Put these statements into a migration of yours, then run clerk-sync init again:`,
    formatProblems(problems),
    ...(isOfSupabaseAuth && !users.columns.some(({ source }) => source === "email")
      ? [
          `-- ${table} has no column for the email address, so no row that is there can be linked to its user. Add one first.`,
        ]
      : []),
    ...(isOfSupabaseAuth ? ["-- docs/your-table.md has the whole way: From Supabase Auth to Clerk."] : []),
    "-- Nothing was changed.",
  ];
  return new SyncError("migration_refused", lines.join("\n"));
}

function refuseGuess(proposal: Proposal, { place }: FoundTable): SyncError {
  const table = formatTableName(proposal.users.table);
  const why = proposal.guesses.map(({ problem }) => `  ${problem}`).join("\n");
  const message = `A person has to confirm what goes into ${table} (${place}) where Clerk has no value:\n${why}\nRun it on a terminal, or write this into clerk-sync.config.json, with defaults of your own:\n${formatConfigurationFile(proposal)}Or give the column a default in the table, or drop its not null, and run it again.`;
  return new SyncError("usage_invalid", message);
}
