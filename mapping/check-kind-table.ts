import {
  alter,
  checkEmptyValue,
  checkSection,
  comment,
  inFile,
  noRows,
  type TableProblem,
  takeAsMeant,
} from "./check-table.ts";
import type { KindSection, KindSource, KnownTables, TableFacts } from "./mapping.ts";
import { findOther, type MappedConfiguration, planKindOf } from "./plan-kind.ts";
import type { KindColumn } from "./plan-table.ts";
import { quoteIdentifier, quoteTable } from "./quote.ts";
import type { RowFacts } from "./read-rows.ts";
import { findColumn } from "./resolve.ts";
import { suggestName } from "./suggest-name.ts";
import { type KindTableSection, sectionOfKind, type TableSection } from "./table-section.ts";

/**
 * Why the sync could not write to the table of a kind, and what solves it, as checkTable says it of users. A kind that is
 * off has no problems.
 */
export function checkKindTable(
  name: KindSection,
  configuration: MappedConfiguration,
  tables: KnownTables,
  rows: RowFacts = noRows,
): TableProblem[] {
  const section = sectionOfKind(name, configuration, tables);
  const planned = planKindOf(name, configuration, tables);
  if (section === null || planned === null) return [];
  const facts = tables[name] ?? null;
  const ofFile = [
    ...checkNeeded(name, section),
    ...section.columns.flatMap((column) => checkLocal(section, column, configuration, tables)),
    ...checkMembers(name, section, configuration),
  ];
  if (facts === null) {
    return [...ofFile, ...section.columns.flatMap((column) => checkEmptyValue(section, column, planned))];
  }
  if (!facts.isTable) return checkSection(section, facts, rows);
  const meant = takeAsMeant(section, facts, rows);
  return [
    ...checkSection(section, facts, rows),
    ...(facts.isOurs ? [] : [...checkPair(meant, facts, rows), ...checkSecurity(section, facts)]),
    ...ofFile,
  ];
}

/** What says which record belongs to which, and the column that is proposed for it. */
const needed: Readonly<Record<KindSection, Partial<Record<KindSource, string>>>> = {
  organizations: {},
  memberships: { organization: "organization_id", user: "user_id" },
  roles: { key: "key" },
  invitations: { organization: "organization_id" },
};

function checkNeeded(name: KindSection, section: KindTableSection): TableProblem[] {
  return Object.entries(needed[name])
    .filter(([source]) => section.columns.every((column) => column.source !== source))
    .map(([source, column]) => ({
      problem: `no column of ${name} has the source ${source}, which the sync decides by`,
      remedy: inFile(`"${name}": "columns": add ${json(column)}: ${json(source)}`),
    }));
}

/** The column of the other table must be there, and say which row is meant. */
function checkLocal(
  section: KindTableSection,
  column: KindColumn,
  configuration: MappedConfiguration,
  tables: KnownTables,
): TableProblem[] {
  const { name, source, as = null } = column;
  const other = as === null ? null : findOther(column, configuration, tables);
  if (as === null || other === null) return [];
  const quoted = quoteIdentifier(as);
  const table = quoteTable(other.table);
  if (findColumn(other, as) === undefined) {
    const meant = suggestName(
      as,
      other.columns.map((each) => each.name),
    );
    const change = meant === null ? `"from": ${json(source)}` : `"from": ${json(source)}, "as": ${json(meant)}`;
    const problem = `${table} has no column ${quoted}, whose value ${quoteIdentifier(name)} would hold`;
    return [{ problem, remedy: inFile(`${json(name)}: {${change}}`) }];
  }
  if (other.uniques.some((columns) => columns.length === 1 && columns[0] === as)) return [];
  const problem = `${quoted} of ${table} is not unique, so that ${quoteIdentifier(name)} of ${quoteTable(section.table)} would not say which row is meant`;
  return [{ problem, remedy: alter(other, `add unique (${quoted})`) }];
}

/** One user is once in one organization. Where deleted rows stay, one who left and came back has two. */
function checkPair(section: TableSection, facts: TableFacts, { hasRepeatedPairs }: RowFacts): TableProblem[] {
  const names = (["organization", "user"] as const).flatMap(
    (source) => section.columns.find((column) => column.source === source)?.name ?? [],
  );
  const [one, other] = names;
  if (section.kind !== "membership" || one === undefined || other === undefined) return [];
  if ([one, other].some((name) => findColumn(facts, name) === undefined)) return [];
  const isUnique = facts.uniques.some(
    (columns) => columns.length === 2 && columns.includes(one) && columns.includes(other),
  );
  const pair = `${quoteIdentifier(one)} and ${quoteIdentifier(other)}`;
  const columns = `${quoteIdentifier(one)}, ${quoteIdentifier(other)}`;
  const table = quoteTable(facts.table);
  if (section.softDelete !== null) {
    if (!isUnique) return [];
    const problem = `${pair} together are unique, and a user who left and came back has two rows there`;
    const living = `create unique index on ${table} (${columns}) where ${quoteIdentifier(section.softDelete)} is null;`;
    const remedy = comment(
      `Drop the unique constraint or index on (${columns}). One of the rows that are not deleted may take its place: ${living}`,
    );
    return [{ problem, remedy }];
  }
  if (isUnique) return [];
  const problem = `${pair} together have no unique constraint or whole unique index`;
  const select = `select ${columns}, count(*) from ${table} group by ${columns} having count(*) > 1;`;
  return [
    ...(hasRepeatedPairs === true
      ? [{ problem: `values of ${pair} stand together in more than one row: keep one row of each`, remedy: select }]
      : []),
    { problem, remedy: alter(facts, `add unique (${columns})`) },
  ];
}

function checkSecurity({ access }: KindTableSection, facts: TableFacts): TableProblem[] {
  if (access === null || access === "leave" || facts.hasRowLevelSecurity) return [];
  const why = access === "none" ? '"none" closes it to users' : '"members" lets users reach it';
  const problem = `row level security of ${quoteTable(facts.table)} is off, and ${why}`;
  return [{ problem, remedy: alter(facts, "enable row level security") }];
}

/**
 * Who is a member stands in the memberships. The policy of a table with local keys asks the table of organizations, which the
 * member has to be able to read.
 */
function checkMembers(name: KindSection, section: KindTableSection, file: MappedConfiguration): TableProblem[] {
  if (section.access !== "members") return [];
  if ((file.memberships ?? null) === null) {
    const problem = `"members" lets members read ${name}, and who is a member stands in the memberships, which are off`;
    return [{ problem, remedy: inFile('"memberships": true') }];
  }
  const of = section.columns.filter(({ source }) => source === "organization");
  const [column] = of;
  if (column === undefined || of.some(({ as = null }) => as === null)) return [];
  if (file.organizations?.access === "members") return [];
  const problem = `members cannot read ${name} without organizations, whose ${quoteIdentifier(column.as ?? "")} stands in ${quoteIdentifier(column.name)}`;
  return [{ problem, remedy: inFile('"organizations": "access": "members"') }];
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
