import { describe, expect, test } from "vitest";
import type { ColumnFacts, TableFacts } from "../../mapping/mapping.ts";
import { parseConfiguration } from "../../mapping/parse-configuration.ts";
import type { CommandIo } from "../command-io.ts";
import { chooseMapping, type FoundTable, type MappingAnswers } from "./choose-mapping.ts";

type Given = Partial<ColumnFacts> & { name: string };

const text = (name: string, rest: Partial<ColumnFacts> = {}): Given => ({ name, ...rest });

/** A table whose first column is its primary key. */
function table(name: string, columns: readonly Given[], rest: Partial<TableFacts> = {}): FoundTable {
  const [first] = columns;
  const facts: TableFacts = {
    table: { schema: "public", name },
    isTable: true,
    isOurs: false,
    columns: columns.map((column) => ({
      type: { kind: "text" },
      sqlType: "text",
      isNotNull: column === first,
      hasDefault: false,
      defaultExpression: null,
      isGenerated: false,
      ...column,
    })),
    primaryKey: first === undefined ? [] : [first.name],
    uniques: columns.filter((column) => column === first || /clerk/i.test(column.name)).map((column) => [column.name]),
    partlyUnique: [],
    deferrables: [],
    pointsTo: [],
    references: [],
    hasRowLevelSecurity: false,
    ...rest,
  };
  return { facts, place: `${name}.sql:1`, filledByApp: [] };
}

/** Answers each question with the given value; a question more than that is an error. */
function answering(...values: (string | null)[]): { io: Pick<CommandIo, "choose">; asked: string[] } {
  const asked: string[] = [];
  const choose: CommandIo["choose"] = async (question, choices) => {
    asked.push(question);
    const value = values.shift();
    if (value === undefined) throw new Error(`nobody answers: ${question}`);
    return choices.find((choice) => choice.value === value)?.value ?? null;
  };
  return { io: { choose }, asked };
}

const onTerminal: MappingAnswers = { yes: false, isSilent: false, dryRun: false };
const unasked: MappingAnswers = { yes: true, isSilent: false, dryRun: false };

const profiles = table("profiles", [text("id"), text("full_name"), text("bio")]);
const users = table("users", [text("id", { hasDefault: true }), text("clerk_id"), text("email")]);
const posts = table("posts", [text("id", { hasDefault: true }), text("clerk_user_id")], { uniques: [["id"]] });
const cascade = {
  constraint: "posts_author_fkey",
  table: { schema: "public", name: "posts" },
  columns: ["author"],
  references: ["id"],
  onUpdate: "no action",
  onDelete: "cascade",
} as const;

describe("without a question", () => {
  test("the one table that looks like one of users is proposed, whatever other tables there are", async () => {
    const chosen = await chooseMapping([posts, profiles], onTerminal, answering().io);
    expect(chosen?.configuration.users).toMatchObject({ table: { name: "profiles" }, key: "id" });
    expect(chosen?.lines).toEqual([
      "Your users are in public.profiles (profiles.sql:1). This goes into it:",
      "  id         Clerk's id",
      "  full_name  name",
      "The sync never writes bio.",
      "A deletion at Clerk deletes the row.",
      "Rows that have a Clerk id get Clerk's values with their user's next event; a value from metadata stays until Clerk gives one. clerk-sync backfill --dry-run names each row that would change, and each role.",
      "Policies and grants of public.profiles stay as they are. One thing is added: service_role may read and write it.",
    ]);
  });

  test("a table with a column for Clerk's id goes before one that is only called like one of users", async () => {
    const chosen = await chooseMapping([profiles, users], unasked, answering().io);
    expect(chosen?.configuration.users).toMatchObject({ table: { name: "users" }, key: "clerk_id", linkBy: "email" });
  });

  test("a project without a table of users gets the plain one, and its file says what is in it", async () => {
    const chosen = await chooseMapping([posts], unasked, answering().io);
    expect(chosen).toMatchObject({ configuration: { users: { table: { name: "users" } } } });
    expect(parseConfiguration(chosen?.text ?? "")).toMatchObject({ configuration: chosen?.configuration });
  });

  test("the table and the key that options name are taken", async () => {
    const two = table("people", [text("id"), text("clerk_id"), text("clerkId")]);
    const chosen = await chooseMapping([users, two], { ...unasked, table: "people", key: "clerkId" }, answering().io);
    expect(chosen?.configuration.users).toMatchObject({ table: { name: "people" }, key: "clerkId" });
  });
});

describe("asked is", () => {
  const other = table("members", [text("id", { hasDefault: true }), text("clerk_id")]);

  test("which table, where several have ids of Clerk and none is called like one of users", async () => {
    const more = table("guests", [text("id", { hasDefault: true }), text("clerk_id")]);
    const { io, asked } = answering("public.guests");
    const chosen = await chooseMapping([more, table("hosts", [text("id"), text("clerk_id")])], onTerminal, io);
    expect(chosen?.configuration.users.table.name).toBe("guests");
    expect(asked).toEqual(["Which table has your users?"]);
  });

  test("which column, where several may hold Clerk's id", async () => {
    const two = table("users", [text("id", { hasDefault: true }), text("clerk_id"), text("clerkId")]);
    const { io, asked } = answering("clerkId");
    const chosen = await chooseMapping([two, other], onTerminal, io);
    expect([chosen?.configuration.users.key, asked]).toEqual([
      "clerkId",
      ["Which column holds Clerk's id of the user?"],
    ]);
  });

  test("whether rows stay, where others go with them", async () => {
    const columns = [text("id"), text("full_name")];
    const { io, asked } = answering("hard", "soft");
    const chosen = await chooseMapping([table("profiles", columns, { references: [cascade] })], onTerminal, io);
    expect(chosen?.configuration.users.softDelete).toBeNull();
    expect(chosen?.lines).toContain("A deletion at Clerk deletes the row, and with it its rows of public.posts.");
    expect(asked).toHaveLength(1);
    const soft = chooseMapping([table("profiles", columns, { references: [cascade] })], onTerminal, io);
    await expect(soft).rejects.toThrow("alter table public.profiles add column deleted_at timestamptz;");
  });

  test("nothing more once a person stops", async () => {
    const two = table("users", [text("id", { hasDefault: true }), text("clerk_id"), text("clerkId")]);
    expect(await chooseMapping([two], onTerminal, answering(null).io)).toBeNull();
  });
});

describe("--yes refuses to guess", () => {
  test("between two tables", async () => {
    const hosts = table("hosts", [text("id", { hasDefault: true }), text("clerk_id")]);
    const guests = table("guests", [text("id", { hasDefault: true }), text("clerk_id")]);
    await expect(chooseMapping([hosts, guests], unasked, answering().io)).rejects.toThrow(
      "Several tables may be the one of your users: public.hosts (hosts.sql:1), public.guests (guests.sql:1). Say which: add --table public.hosts",
    );
  });

  test("between two keys", async () => {
    const two = table("users", [text("id", { hasDefault: true }), text("clerk_id"), text("clerkId")]);
    await expect(chooseMapping([two], unasked, answering().io)).rejects.toThrow("add --key clerk_id");
  });

  test("what stands in a column that may not be null", async () => {
    const strict = table("users", [
      text("id", { hasDefault: true }),
      text("clerk_id"),
      text("username", { isNotNull: true }),
    ]);
    await expect(chooseMapping([strict], unasked, answering().io)).rejects.toThrow(
      '"username": { "from": "username", "default": "" }',
    );
    const chosen = await chooseMapping([strict], onTerminal, answering().io);
    expect(chosen?.lines).toContain('  username  username, else ""');
  });
});

test("--yes refuses to decide that other rows go with a user's; --delete decides", async () => {
  const found = table("users", [text("id", { hasDefault: true }), text("clerk_id"), text("deleted")], {
    references: [cascade],
  });
  await expect(chooseMapping([found], unasked, answering().io)).rejects.toThrow("add --delete hard, or --delete soft");
  const hard = await chooseMapping([found], { ...unasked, delete: "hard" }, answering().io);
  expect(hard?.configuration.users.softDelete).toBeNull();
  await expect(chooseMapping([found], { ...unasked, delete: "soft" }, answering().io)).rejects.toThrow(
    "add column deleted_at timestamptz",
  );
});

test("--dry-run shows what a person would be asked to confirm", async () => {
  const columns = [text("id", { hasDefault: true }), text("clerk_id"), text("username", { isNotNull: true })];
  const found = table("users", columns, { references: [cascade] });
  const chosen = await chooseMapping([found], { ...onTerminal, dryRun: true }, answering().io);
  expect(chosen?.lines).toEqual(
    expect.arrayContaining([
      '  username  username, else ""',
      "A deletion at Clerk deletes the row, and with it its rows of public.posts.",
    ]),
  );
});

test("another table that may be meant is named, with the option that takes it", async () => {
  const chosen = await chooseMapping([users, profiles, posts], unasked, answering().io);
  expect(chosen?.lines).toContain("If your users are in public.profiles instead: --table public.profiles");
  expect(chosen?.lines.join()).not.toContain("--table public.posts");
});

test("a table of Supabase Auth's users without an address is told what it lacks", async () => {
  const pointsTo = [{ constraint: "profiles_id_fkey", columns: ["id"], table: { schema: "auth", name: "users" } }];
  const id = { name: "id", type: { kind: "uuid" }, sqlType: "uuid" } as const;
  await expect(
    chooseMapping([table("profiles", [id, text("full_name")], { pointsTo })], unasked, answering().io),
  ).rejects.toThrow(/has no column for the email address[\s\S]*From Supabase Auth to Clerk/);
});

test("a table that has to be changed first is refused, with the statements", async () => {
  const numbered = table("users", [
    { name: "id", type: { kind: "integer" }, sqlType: "integer", hasDefault: true },
    text("email"),
  ]);
  await expect(chooseMapping([numbered], onTerminal, answering().io)).rejects.toThrow(
    "alter table public.users add column clerk_id text unique;",
  );
});

test("a column of addresses is not taken for the key, and the one that is meant is named", async () => {
  const choose = (key: string) => chooseMapping([users], { ...unasked, key }, answering().io);
  await expect(choose("email")).rejects.toThrow(
    "--key names email, a column of email addresses, and the key holds Clerk's ids (user_…): each user would get a second row. Is clerk_id meant? --key clerk_id",
  );
  const rows = { clerkIdColumns: [], addressColumns: ["login"], hasRepeatedKeys: false, refused: [] };
  const logins = { ...table("logins", [text("id", { hasDefault: true }), text("login")]), rows };
  await expect(chooseMapping([logins], { ...unasked, table: "logins", key: "login" }, answering().io)).rejects.toThrow(
    "--key names login, a column of email addresses",
  );
});

test("a table that is not there is an error that names those that are", async () => {
  await expect(chooseMapping([users], { ...unasked, table: "user" }, answering().io)).rejects.toThrow(
    "These were found: public.users.",
  );
  await expect(chooseMapping([users], { ...unasked, key: "clerkId" }, answering().io)).rejects.toThrow(
    "public.users has no such column. It has: id, clerk_id, email.",
  );
});

test("a text that the app's ORM fills is not Clerk's id, and gets a value from the sync", async () => {
  const prisma = table("User", [text("id"), text("email")]);
  const found = { ...prisma, filledByApp: ["id"] };
  await expect(chooseMapping([found], onTerminal, answering().io)).rejects.toThrow("add column clerk_id text unique");
  const withKey = { ...table("User", [text("id"), text("clerkId")]), filledByApp: ["id"] };
  const chosen = await chooseMapping([withKey], onTerminal, answering().io);
  expect(chosen?.configuration.users).toMatchObject({ key: "clerkId", columns: [{ name: "id", source: "uuid" }] });
});
