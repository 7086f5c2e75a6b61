import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configurationError, parseConfiguration } from "./parse-configuration.ts";

/** What the configuration of these users means. Fails when it has problems. */
const usersOf = (users: object) => {
  const parsed = parseConfiguration(JSON.stringify({ users }));
  if ("problems" in parsed) throw configurationError("file", parsed.problems);
  return parsed.configuration.users;
};

const profiles = { table: "public.profiles", key: "id", columns: { email: "email" } };
const withColumns = (columns: object) => ({ users: { ...profiles, columns } });
const withColumn = (column: unknown) => withColumns({ plan: column });

/** The problems of a file as an author reads them, without their places. */
const problemsOf = (file: unknown) => {
  const parsed = parseConfiguration(typeof file === "string" ? file : JSON.stringify(file));
  const lines = "problems" in parsed ? configurationError("f", parsed.problems).message.split("\n").slice(1) : [];
  return lines.map((line) => line.replace(/^f:\d+:\d+: /, ""));
};

describe("what a file means", () => {
  test("the file of this repository writes the table of facts that users of it know", () => {
    const text = readFileSync(new URL("../clerk-sync.config.json", import.meta.url), "utf8");
    const once = { default: undefined, write: "once", allowed: null };
    const always = { default: undefined, write: "always", allowed: null };
    expect(parseConfiguration(text)).toEqual({
      configuration: {
        users: {
          table: { schema: "public", name: "users" },
          key: "clerk_id",
          columns: [
            { name: "email", source: "email", ...always },
            { name: "name", source: "name", ...always },
            { name: "role", source: "public_metadata.role", ...always, default: "user" },
            { name: "createdAt", source: "created_at", ...once },
            { name: "updatedAt", source: "now", ...always },
            { name: "created_at", source: "created_at", ...once },
            { name: "updated_at", source: "now", ...always },
          ],
          linkBy: "email",
          softDelete: null,
          access: { kind: "own_row", editable: ["name", "preferences", "medical_profile"] },
        },
        organizations: null,
        memberships: null,
        roles: null,
        invitations: null,
        changes: false,
        hooks: [],
        helpers: null,
      },
    });
  });

  test("what the file does not say is not decided here", () => {
    expect(usersOf(profiles)).toMatchObject({ linkBy: null, softDelete: null, access: null });
    expect(usersOf({ ...profiles, access: "leave" }).access).toEqual({ kind: "leave" });
    expect(usersOf({ ...profiles, access: { own_row: {} } }).access).toEqual({ kind: "own_row", editable: [] });
    expect(usersOf({ ...profiles, delete: { soft: "deleted_at" } }).softDelete).toBe("deleted_at");
  });

  test("a default of null is not the same as no default", () => {
    const [plan, tier] = usersOf({
      ...profiles,
      columns: { plan: { from: "public_metadata.plan", default: null }, tier: "public_metadata.tier" },
    }).columns;
    expect([plan?.default, tier?.default]).toEqual([null, undefined]);
  });

  test("a key of unsafe_metadata is taken where the file allows it", () => {
    const column = { from: "unsafe_metadata.ui.theme", allow_unsafe: true };
    expect(usersOf({ ...profiles, columns: { theme: column } }).columns).toMatchObject([
      { source: "unsafe_metadata.ui.theme" },
    ]);
  });

  test("a file without users means the plain table", () => {
    expect(parseConfiguration("{}")).toMatchObject({
      configuration: { users: { table: { schema: "public", name: "users" }, key: "clerk_id", access: null } },
    });
  });

  test("a kind that is true has its plain table, and an object replaces what it names", () => {
    const file = {
      organizations: true,
      memberships: {
        table: 'app."Member"',
        key: "clerkId",
        columns: { org: "organization", user_id: { from: "user", as: "id" } },
        access: "members",
      },
      roles: false,
    };
    expect(parseConfiguration(JSON.stringify(file))).toMatchObject({
      configuration: {
        organizations: {
          table: { schema: "public", name: "organizations" },
          key: "id",
          softDelete: null,
          access: null,
        },
        memberships: {
          table: { schema: "app", name: "Member" },
          key: "clerkId",
          columns: [
            { name: "org", source: "organization", as: null },
            { name: "user_id", source: "user", as: "id" },
          ],
          access: "members",
        },
        roles: null,
      },
    });
  });

  test("each hook has its target", () => {
    const hooks = [
      {
        name: "a",
        on: ["user.created"],
        url: "/functions/v1/a",
        secret: ["env(NEW)", "vault(old)"],
        skip: ["backfill"],
      },
      { name: "b", on: ["user.*"], function: "app.on_change", from: "beginning" },
      { name: "c", on: ["user.*"], queue: "clerk_changes" },
    ];
    expect(parseConfiguration(JSON.stringify({ hooks, helpers: {} }))).toMatchObject({
      configuration: {
        hooks: [
          { target: { kind: "url", url: "/functions/v1/a", secrets: ["env(NEW)", "vault(old)"] }, skip: ["backfill"] },
          {
            target: { kind: "function", name: { schema: "app", name: "on_change" }, onError: "record" },
            from: "beginning",
          },
          { target: { kind: "queue", name: "clerk_changes" }, skip: [], from: "now" },
        ],
        helpers: { schema: "clerk" },
      },
    });
  });
});

describe("problems of a file", () => {
  test("all are told together, in the order of the text, with their places", () => {
    const text = `{
  "user": {},
  "users": {
    "table": "public.profiles", "key": "id",
    "columns": { "plan": "public_metdata.plan", "id": "id" } // both wrong
  },
  "changes": "yes"
}`;
    const parsed = parseConfiguration(text);
    const problems = "problems" in parsed ? parsed.problems : [];
    expect(problems).toEqual([
      { path: ["user"], found: null, advice: "did you mean `users`?", line: 2, column: 3 },
      {
        path: ["users", "columns", "plan"],
        found: "`public_metdata.plan`",
        advice: "did you mean `public_metadata.plan`?",
        line: 5,
        column: 26,
      },
      {
        path: ["users", "columns", "id"],
        found: null,
        advice:
          "this is the key, which always holds Clerk's id: remove it from columns, or name another column as the key",
        line: 5,
        column: 49,
      },
      { path: ["changes"], found: "`yes`", advice: "write true or false", line: 7, column: 14 },
    ]);
    const error = configurationError("clerk-sync.config.json", problems);
    expect(error).toMatchObject({ name: "SyncError", code: "config_invalid" });
    expect(error.message.split("\n").slice(0, 3)).toEqual([
      "clerk-sync.config.json has 4 problems:",
      "clerk-sync.config.json:2:3: `user`: did you mean `users`?",
      "clerk-sync.config.json:5:26: `users.columns.plan`: found `public_metdata.plan`: did you mean `public_metadata.plan`?",
    ]);
  });

  test("broken JSON is told with its place", () => {
    const parsed = parseConfiguration('{\n  "changes": yes }');
    const problems = "problems" in parsed ? parsed.problems : [];
    expect(configurationError("f", problems).message).toBe(
      "f has 1 problem:\nf:2:14: found `yes`: write a text in double quotes, a number, true, false, null, { … } or [ … ]",
    );
  });

  test("a missing comma does not hide the problems of the content", () => {
    expect(problemsOf('{ "changes": true "hoks": [] }')).toEqual([
      "write a comma between two entries",
      "`hoks`: did you mean `hooks`?",
    ]);
  });

  test.each([
    ["[]", "found an empty list: write an object: { … }"],
    ["null", "found `null`: write an object: { … }"],
    [{ changes: "true" }, "`changes`: found `true`: write true without quotes"],
    [{ colour: 1 }, "`colour`: this is no setting. The settings here are $schema, users, organizations"],
    [{ users: true }, '`users`: found `true`: write { "table": …'],
    [{ users: { ...profiles, table: undefined } }, "`users.table`: is missing: write schema.table"],
    [{ users: { ...profiles, key: undefined } }, "`users.key`: is missing: write the name of a column"],
    [{ users: { ...profiles, columns: undefined } }, '`users.columns`: is missing: write { "<column>": "<source>" }'],
    [{ users: { ...profiles, columns: ["email"] } }, "`users.columns`: found a list: write an object: { … }"],
    [{ users: { ...profiles, table: "a.b.c" } }, "`users.table`: found `a.b.c`: write schema.table"],
    [{ users: { ...profiles, key: '"id"' } }, '`users.key`: found `"id"`: write the name as the table has it'],
    [
      { users: { ...profiles, table: "auth.users" } },
      "`users.table`: found `auth.users`: this schema belongs to Supabase",
    ],
    [
      { users: { ...profiles, table: "job_queue" } },
      "`users.table`: found `public.job_queue`: this table belongs to the",
    ],
    [
      { users: { ...profiles, table: "pg_catalog.a" } },
      "`users.table`: found `pg_catalog.a`: this schema belongs to Post",
    ],
    [{ users: { ...profiles, link_by: "phone" } }, "`users.link_by`: found `phone`: write `email`"],
    [
      { users: { ...profiles, columns: {}, link_by: "email" } },
      "`users.link_by`: found `email`: no column has the source",
    ],
    [
      { users: { ...profiles, delete: "soft" } },
      '`users.delete`: found `soft`: write "hard", or { "soft": "<column>" }',
    ],
    [{ users: { ...profiles, delete: {} } }, "`users.delete.soft`: is missing: write the name of a column"],
    [
      { users: { ...profiles, delete: { soft: "email" } } },
      "`users.delete.soft`: found `email`: a deletion marks this",
    ],
    [{ users: { ...profiles, delete: { soft: "id" } } }, "`users.delete.soft`: found `id`: this is the key"],
    [{ users: { ...profiles, access: "own_row" } }, '`users.access`: found `own_row`: write "leave", or { "own_row"'],
    [{ users: { ...profiles, access: { own_row: "x" } } }, "`users.access.own_row`: found `x`: write an object"],
    [{ memberships: true }, '`memberships`: found `true`: memberships need organizations: add "organizations": true'],
    [{ organizations: false, memberships: {} }, "`memberships`: found an object: memberships need organizations"],
    [{ organizations: "yes" }, '`organizations`: found `yes`: write true, false, or { "table": … }'],
    [
      { organizations: { table: "public.users" } },
      "`organizations.table`: found `public.users`: users have this table",
    ],
    [{ organizations: { columns: { id: "id" } } }, "`organizations.columns.id`: this is the key"],
    [{ organizations: { delete: { soft: "name" } } }, "`organizations.delete.soft`: found `name`: a deletion marks"],
    [
      { roles: { columns: { key: "key", permissions: { from: "permissions", default: "x" } } } },
      "`roles.columns.permissions.default`: found `x`: permissions are a list: remove default",
    ],
    [
      { roles: { columns: { key: "key", permissions: { from: "permissions", allowed: ["x"] } } } },
      "permissions are a list: remove allowed",
    ],
    [{ roles: { columns: { plan: "public_metadata.plan" } } }, "found `public_metadata.plan`: roles have no metadata"],
    [{ organizations: { columns: { m: "private_metadata" } } }, "private_metadata is never stored"],
    [
      { organizations: { columns: { m: "unsafe_metadata.x" } } },
      "only users have unsafe_metadata. The sources are id, name, slug",
    ],
    [{ roles: { columns: { r: { from: "key", as: "id" } } } }, "`roles.columns.r.as`: this is no setting"],
    [{ helpers: { shema: "x" } }, "`helpers.shema`: did you mean `schema`?"],
  ])("%j", (file, problem) => {
    expect(problemsOf(file)).toEqual([expect.stringContaining(problem)]);
  });

  test("the settings of a column are judged one by one and together", () => {
    const role = "public_metadata.role";
    const cases: [unknown, string][] = [
      [5, 'found `5`: write a source, like `email`, or { "from": … }'],
      [null, 'found `null`: write a source, like `email`, or { "from": … }'],
      ["", "found an empty text: this is no source of users"],
      ["favourite_colour", "found `favourite_colour`: this is no source of users. The sources are id, email,"],
      ["firstName", "found `firstName`: did you mean `first_name`?"],
      ["avatar_url", "found `avatar_url`: did you mean `image_url`?"],
      ["role", "found `role`: did you mean `public_metadata.role`?"],
      ["public_metdata.plan", "found `public_metdata.plan`: did you mean `public_metadata.plan`?"],
      ["publicMetadata.plan", "found `publicMetadata.plan`: did you mean `public_metadata.plan`?"],
      ["public_metadata.", "found `public_metadata.`: write a key behind each dot"],
      ["public_metadata.a..b", "found `public_metadata.a..b`: write a key behind each dot"],
      ["email.address", "found `email.address`: only metadata has keys"],
      ["private_metadata", "found `private_metadata`: private_metadata is never stored, because"],
      ["private_metdata.plan", "found `private_metdata.plan`: private_metadata is never stored, because"],
      ["unsafe_metadata", "found `unsafe_metadata`: name one key of it, like `unsafe_metadata.theme`"],
      ["unsafe_metadata.theme", 'write { "from": "unsafe_metadata.theme", "allow_unsafe": true }'],
      [{ default: 1 }, ".from`: is missing: write a source"],
      [
        { from: "unsafe_metadata.a" },
        ".from`: found `unsafe_metadata.a`: every user can write unsafe_metadata. To take it",
      ],
      [{ from: "unsafe_metadata.a", allow_unsafe: false }, 'add "allow_unsafe": true'],
      [
        { from: "name", allow_unsafe: true },
        ".allow_unsafe`: found `true`: this is for unsafe_metadata only: remove it",
      ],
      [{ from: "name", default: {} }, ".default`: found an object: write a text, a number, true, false or null"],
      [{ from: "name", default: "{clerk_id}" }, ".default`: found `{clerk_id}`: did you mean `{id}`?"],
      [{ from: "name", default: "{id}-{userId}" }, "did you mean `{id}-{id}`?"],
      [{ from: "name", defualt: "x" }, ".defualt`: did you mean `default`?"],
      [{ from: "name", write: "onse" }, ".write`: found `onse`: did you mean `once`?"],
      [
        { from: "now", write: "once" },
        ".write`: found `once`: now is written with each write of the row: remove write",
      ],
      [
        { from: "uuid", write: "always" },
        ".write`: found `always`: uuid is written once, with a new row: remove write",
      ],
      [{ from: "uuid", default: "x" }, ".default`: found `x`: uuid is written once"],
      [{ from: "now", allowed: ["x"] }, ".allowed`: found a list: now is written with each write"],
      [{ from: "name", as: "id" }, ".as`: "],
      [{ from: role, allowed: [] }, ".allowed`: found an empty list: write at least one value"],
      [{ from: role, allowed: "admin" }, ".allowed`: found `admin`: write a list of texts"],
      [{ from: role, allowed: ["a", 1] }, ".allowed[1]`: found `1`: write a text in double quotes"],
      [{ from: role, allowed: ["a", "b", "a"] }, ".allowed[2]`: found `a`: this value is in the list twice"],
      [{ from: role, default: "x", allowed: ["a", "b"] }, ".default`: found `x`: this is none of the allowed values"],
      [{ from: role, default: "{id}", allowed: ["a"] }, ".default`: found `{id}`: this is none of the allowed values"],
      [{ from: "banned", allowed: ["a"] }, ".allowed`: found a list: banned is true or false: remove allowed"],
    ];
    for (const [column, problem] of cases) {
      expect(problemsOf(withColumn(column)), JSON.stringify(column)).toEqual([expect.stringContaining(problem)]);
    }
  });

  test("a default that is allowed, a number for a text, and null are taken", () => {
    const from = "public_metadata.level";
    for (const fallback of ["1", 1, null]) {
      expect(problemsOf(withColumn({ from, default: fallback, allowed: ["1", "2"] }))).toEqual([]);
    }
  });

  test("a wrong source does not hide a wrong default of the same column", () => {
    expect(problemsOf(withColumn({ from: "nme", default: "x", allowed: ["a"] }))).toEqual([
      "`users.columns.plan.from`: found `nme`: did you mean `name`?",
      "`users.columns.plan.default`: found `x`: this is none of the allowed values: add it to allowed, or choose `a`",
    ]);
  });

  test("a misspelt setting is not told again as missing", () => {
    const { table, ...rest } = profiles;
    expect(problemsOf({ users: { ...rest, tabel: table } })).toEqual(["`users.tabel`: did you mean `table`?"]);
  });

  test("names of columns are judged", () => {
    expect(problemsOf(withColumns({ '"clerkId"': "email", "": "name", [" x"]: "phone" }))).toEqual([
      '`users.columns."\\"clerkId\\""`: found `"clerkId"`: write the name as the table has it, without quotes of its own: `clerkId`',
      '`users.columns.""`: found an empty text: write a name',
      '`users.columns." x"`: found ` x`: did you mean `x`, without blanks around it?',
    ]);
  });

  test("a column that is there twice is told", () => {
    const text = '{ "users": { "table": "a.b", "key": "id", "columns": { "x": "email", "x": "name" } } }';
    expect(problemsOf(text)).toEqual(["`users.columns.x`: this name is there twice: remove one"]);
  });

  test("of a column that is there twice, the second has the problem", () => {
    const text = '{ "users": { "table": "a.b", "key": "id",\n"columns": { "x": "email",\n "x": "nme" } } }';
    expect(parseConfiguration(text)).toMatchObject({
      problems: [
        { advice: "this name is there twice: remove one", line: 3, column: 2 },
        { advice: "did you mean `name`?", line: 3, column: 7 },
      ],
    });
  });

  test("the table of a kind that is off is free for users", () => {
    const users = { ...profiles, table: "public.organizations" };
    expect(problemsOf({ users, organizations: false })).toEqual([]);
    expect(problemsOf({ users, organizations: true })).toEqual([
      "`organizations`: found `public.organizations`: users have this table already: each kind needs a table of its own",
    ]);
  });

  test("only one column has the email", () => {
    expect(problemsOf(withColumns({ a: "email", b: "email", c: { from: "email" } }))).toEqual([
      "`users.columns.b`: found `email`: the column a has the email already, and only one can: map something else, or remove it",
      "`users.columns.c`: found `email`: the column a has the email already, and only one can: map something else, or remove it",
    ]);
  });

  test("a user may not edit whose row it is", () => {
    const columns = { own_id: "uuid", clerk: "id" };
    const access = { own_row: { editable: ["bio", "bio", "id", "own_id", "clerk", "toString", ""] } };
    expect(problemsOf({ users: { ...profiles, columns, access } })).toEqual([
      "`users.access.own_row.editable[1]`: found `bio`: this column is in the list twice: remove one",
      expect.stringContaining("`users.access.own_row.editable[2]`: found `id`: this column says whose row it is"),
      expect.stringContaining("`users.access.own_row.editable[3]`: found `own_id`"),
      expect.stringContaining("`users.access.own_row.editable[4]`: found `clerk`"),
      "`users.access.own_row.editable[6]`: found an empty text: write a name",
    ]);
  });

  test("hooks are judged, and no secret is shown", () => {
    const on = ["user.created"];
    const secret = "env(SECRET)";
    const cases: [object, string][] = [
      [{ name: "Welcome!", on, queue: "q" }, "`hooks[0].name`: found `Welcome!`: use small letters"],
      [{ on, queue: "q" }, "`hooks[0].name`: is missing: write a name"],
      [
        { name: "a", on: ["user.create"], queue: "q" },
        "`hooks[0].on[0]`: found `user.create`: did you mean `user.created`?",
      ],
      [{ name: "a", on: "user.*", queue: "q" }, "`hooks[0].on`: found `user.*`: write a list of topics"],
      [{ name: "a", on: [], queue: "q" }, "`hooks[0].on`: found an empty list: write at least one topic"],
      [{ name: "a", on: ["role.*"], queue: "q" }, '`hooks[0].on[0]`: found `role.*`: roles are off: add "roles": true'],
      [{ name: "a", on, function: "a.b.c" }, "`hooks[0].function`: found `a.b.c`: write schema.function"],
      [{ name: "a", on }, "`hooks[0]`: write one of url, function and queue"],
      [{ name: "a", on, queue: "q", function: "a.b" }, "`hooks[0]`: found function and queue: write one of url"],
      [{ name: "a", on, url: "/x" }, "`hooks[0]`: a url needs a secret"],
      [{ name: "a", on, url: "http://a.example", secret }, "`hooks[0].url`: use https. http is for localhost only"],
      [
        { name: "a", on, url: "https://u:p@a.example", secret },
        "`hooks[0].url`: a URL with a password does not belong",
      ],
      [{ name: "a", on, url: "a.example", secret }, "`hooks[0].url`: write a URL with https://"],
      [{ name: "a", on, url: "//a.example", secret }, "`hooks[0].url`: write a URL with https://"],
      [{ name: "a", on, url: "/x", secret: "whsec_abc" }, '`hooks[0].secret`: write "env(NAME)" or "vault(NAME)"'],
      [{ name: "a", on, url: "/x", secret: [] }, "`hooks[0].secret`: write at least one secret"],
      [{ name: "a", on, queue: "q", secret }, "`hooks[0].secret`: only requests to a url are signed"],
      [
        { name: "a", on, queue: "q", on_error: "abort" },
        "`hooks[0].on_error`: found `abort`: this is for a function only",
      ],
      [
        { name: "a", on, queue: "q", skip: ["backfil"] },
        "`hooks[0].skip[0]`: found `backfil`: did you mean `backfill`?",
      ],
    ];
    for (const [hook, problem] of cases) {
      const problems = problemsOf({ hooks: [hook] });
      expect(problems, JSON.stringify(hook)).toEqual([expect.stringContaining(problem)]);
      expect(problems.join()).not.toMatch(/whsec_abc|u:p/);
    }
    const hook = { name: "a", on, queue: "q" };
    expect(problemsOf({ hooks: [hook, hook] })).toEqual([
      "`hooks[1].name`: found `a`: another hook has this name: give each its own",
    ]);
  });
});
