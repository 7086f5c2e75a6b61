import type { Mutation } from "./mutations.ts";

const file = (name: string) => `mapping/table-files/${name}.ts`;
const sqlTest = "tests/integration/mapping/table-files-sql.test.ts";
const prismaTest = "tests/integration/mapping/table-files-prisma.test.ts";
const generateTest = "cli/commands/generate.test.ts";

/** What reading tables from files must get right, each with the line that upholds it. */
export const tableFileRules: readonly Mutation[] = [
  {
    test: sqlTest,
    title: "SQL with enums is read as from the database",
    edits: [
      { file: file("statements"), find: "neighbour.text = newVal;", replace: "type.labels[place] = { text: newVal };" },
    ],
  },
  {
    test: sqlTest,
    title: "SQL with keys is read as from the database",
    edits: [
      {
        file: file("constraints"),
        find: "isIndexed && node.indexname === undefined ? JSON.stringify(about) : String(place)",
        replace: "isIndexed ? String(place) : String(-place)",
      },
    ],
  },
  {
    test: sqlTest,
    title: "SQL with blocks is read as from the database",
    edits: [
      { file: file("read-sql"), find: 'else if ("DoStmt" in node) takeBlock(catalog, text, place);', replace: "" },
    ],
  },
  {
    test: sqlTest,
    title: "a statement that cannot be read > is named with its place where it names the table, and hides nothing else",
    edits: [
      {
        file: file("read-sql"),
        find: "  return findEnds(text, bytes.length).flatMap(",
        replace: "  return [bytes.length].flatMap(",
      },
    ],
  },
  {
    test: prismaTest,
    title: "a Prisma schema with relations is read as its engine makes it",
    edits: [{ file: file("write-prisma"), find: '(isOptional ? "set null" : "restrict")', replace: '"restrict"' }],
  },
  {
    test: "tests/integration/mapping/table-files-drizzle.test.ts",
    title: "a Drizzle schema (casing: snake_case) is read as drizzle-kit makes it",
    edits: [
      { file: file("write-drizzle"), find: "  if (casing === null) return name;\n", replace: "  return name;\n" },
    ],
  },
  {
    test: file("find-tables").replace(".ts", ".test.ts"),
    title: "tables that the sync generated are left out",
    edits: [{ file: file("find-tables"), find: "return isOfSync(text) ? [] : ", replace: "return " }],
  },
  {
    test: generateTest,
    title: "takes a file that changed since, and says what changed",
    edits: [
      {
        file: file("choose-facts"),
        find: "if (before.files === digest(before.facts)) {",
        replace: "if (files === null) {",
      },
    ],
  },
  {
    test: generateTest,
    title: "keeps the columns of a database where the files said otherwise then, and says that they differ",
    edits: [
      {
        file: file("choose-facts"),
        find: "if (before.files === digest(before.facts)) {",
        replace: "if (files !== null) {",
      },
    ],
  },
  {
    test: generateTest,
    title: "refuses to rely on a default whose text the file does not say",
    edits: [
      {
        file: file("choose-facts"),
        find: "    if (table === undefined || column === undefined) continue;\n",
        replace: "  if (!column || true) return;\n",
      },
    ],
  },
];
