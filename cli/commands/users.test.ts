import { describe, expect, test } from "vitest";
import { runCommand } from "../../tests/support/processes/run-command.ts";
import { main } from "../main.ts";

const place = (state: string, values: Record<string, string | boolean | null>, why: string | null = null) => ({
  state,
  reason: why,
  id: null,
  values,
});
const jobId = "0191d7c5-0000-7000-8000-000000000001";
const user = {
  clerk_id: "user_ada",
  table: "public.profiles",
  columns: [],
  row: null,
  values: null,
  open_jobs: 0,
  dead_jobs: 1,
  is_revealed: false,
  verdict: {
    code: "dead_letter",
    in_step: false,
    title: "A job failed for good",
    what: "Its job gave up.",
    remedy: "Retry it.",
    job_id: jobId,
    other_clerk_id: null,
  },
  clerk: place("present", { email: "a***@e***.com", name: "A***", role: "admin" }),
  users: place("present", { email: "a***@e***.com", name: "A***", role: "user" }),
  auth: place("unknown", {}, "It did not answer."),
  comparison: [
    { name: "email", source: "email", clerk: "a***@e***.com", users: "a***@e***.com", differs: false },
    { name: "full_name", source: "name", clerk: "A***", users: "A***", differs: false },
    { name: "role", source: "public_metadata.role", clerk: "admin", users: "user", differs: true },
    { name: "seen", source: "now", users: "2026-11-25T12:00:00+00:00", differs: false },
    { name: "version", source: null, differs: false },
  ],
  differences: ["role"],
  state: null,
  ignored_note: null,
  unlinked_note: null,
  jobs: [],
};
const columns = [
  { name: "email", source: "email", value: "a***@e***.com", rule: null },
  { name: "full_name", source: "name", value: "A***", rule: null },
  { name: "seen", source: "now", value: "2026-11-25T12:00:00+00:00", rule: null },
];
const summary = {
  clerk_id: "user_ada",
  table: "public.profiles",
  columns,
  row: { id: "1", email: "a***@e***.com", name: "A***", role: "user", deleted_at: "2026-11-20T10:00:00Z" },
  state: null,
  values: null,
  open_jobs: 1,
  dead_jobs: 2,
};

/** Runs the command against a sync-admin that answers this, and tells what it was asked. */
async function run(args: string[], answer: unknown) {
  const [stdout, stderr, asked]: [string[], string[], string[]] = [[], [], []];
  const exitCode = await main(["users", ...args, "--url", "https://abc.supabase.co", "--secret-key", "sb_secret_1"], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    environment: {},
    fetch: async (url, init) => {
      asked.push(`${init?.method ?? "GET"} ${String(url).split("/sync-admin")[1]}`);
      return Response.json(answer);
    },
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), asked };
}

describe("users show", () => {
  test("says the verdict first, then the places side by side with what differs", async () => {
    const { exitCode, stdout, asked } = await run(["show", "user_ada"], user);
    expect(stdout.split("\n")).toEqual([
      "✗ user_ada: A job failed for good",
      "    Its job gave up.",
      "    Retry it.",
      `    clerk-sync jobs show ${jobId}`,
      "",
      "                               Clerk          public.profiles            Auth",
      "  is there                     present        present                    unknown",
      "  email                        a***@e***.com  a***@e***.com              -",
      "  full_name (name)             A***           A***                       -",
      "  role (public_metadata.role)  admin          user                       -        differs",
      "  seen (now)                   -              2026-11-25T12:00:00+00:00  -",
      "  version                      -              -                          -",
      "  Auth: It did not answer.",
      "",
      "No job of this user is kept.",
    ]);
    expect([exitCode, asked]).toEqual([1, ["GET /users/user_ada"]]);
  });

  test("says that a role at Clerk was ignored, in the words of the API", async () => {
    const { stdout } = await run(["show", "user_ada"], { ...user, ignored_note: "Ignored: it is an array." });
    expect(stdout).toContain("\n  ignored: Ignored: it is an array.\n");
  });

  test("says which row was not linked", async () => {
    const { stdout } = await run(["show", "user_ada"], { ...user, unlinked_note: "Row 7 has the address." });
    expect(stdout).toContain("\n  not linked: Row 7 has the address.\n");
  });

  test("exits with 0 when the user is in step", async () => {
    const inStep = { ...user, verdict: { ...user.verdict, in_step: true } };
    expect((await run(["show", "user_ada"], inStep)).exitCode).toBe(0);
  });

  test("reveals by the call that is audited, and lets no name send commands to the terminal", async () => {
    const revealed = {
      ...user,
      is_revealed: true,
      comparison: [{ name: "n", source: "name", users: "A\u001b]0;evil\u0007\nda", differs: false }],
    };
    const { stdout, asked } = await run(["show", "user_ada", "--reveal"], revealed);
    expect(asked).toEqual(["POST /users/user_ada/reveal"]);
    expect(stdout).toContain("A�]0;evil��da");
  });

  test("asks for an id as it is written, whatever it holds", async () => {
    expect((await run(["show", "../jobs?q=1"], user)).asked).toEqual(["GET /users/..%2Fjobs%3Fq%3D1"]);
  });
});

describe("users list", () => {
  test("finds by what is asked for, and says what is wrong with each", async () => {
    const { stdout, stderr, asked } = await run(["list", "--q", "ada", "--limit", "1"], {
      users: [summary, { ...summary, row: null, columns: columns.map((column) => ({ ...column, value: null })) }],
      next: "c",
      search: null,
    });
    expect(asked).toEqual(["GET /users?q=ada&limit=1"]);
    expect(stdout.split("\n")).toEqual([
      "            email          full_name (name)",
      "  user_ada  a***@e***.com  A***              deleted, 1 open, 2 dead",
      "  user_ada  -              -                 no row, 1 open, 2 dead",
    ]);
    expect(stderr).toContain("--cursor c");
  });

  test("says which columns were not searched, with the statement that helps", async () => {
    const search = {
      searched: ["email"],
      not_searched: [{ name: "name", remedy: "create index on public.users (lower(name));" }],
      is_cut: false,
      note: "Not searched, because it has no index: name.",
    };
    const answer = { users: [summary], next: null, search };
    expect((await run(["list", "--q", "Ada Lovelace"], answer)).stderr).toBe(
      "Not searched, because it has no index: name. create index on public.users (lower(name));",
    );
    const two = {
      ...search,
      not_searched: [...search.not_searched, { name: "nick", remedy: "create index 2" }],
      note: "Two.",
    };
    expect((await run(["list", "--q", "x"], { ...answer, search: two })).stderr).toBe(
      "Two. For name: create index on public.users (lower(name));",
    );
    const cut = { ...search, not_searched: [], note: "More." };
    expect((await run(["list", "--q", "x"], { ...answer, search: cut })).stderr).toBe("More.");
    expect((await run(["list", "--q", "x"], { ...answer, search: { ...search, note: null } })).stderr).toBe("");
  });

  test("says what a search takes when nobody is found", async () => {
    expect((await run(["list", "--q", "x"], { users: [], next: null, search: null })).stdout).toMatch(
      /^Nobody is found\..*Clerk id/,
    );
  });
});

test("users resync says what was asked for and where to see what came of it", async () => {
  const { stdout, asked } = await run(["resync", "user_ada"], { requested: 1 });
  expect(asked).toEqual(["POST /users/user_ada/resync"]);
  expect(stdout).toMatch(/clerk-sync users show user_ada/);
});

test.each([
  [["list"], { users: [summary], next: "c", search: null }],
  [["show", "user_ada"], user],
  [["resync", "user_ada"], { requested: 1 }],
])("users %j prints with --json one value and nothing else", async (args, answer) => {
  const { stdout, stderr } = await run([...args, "--json"], answer);
  expect([JSON.parse(stdout), stderr]).toEqual([answer, ""]);
});

describe("users link", () => {
  const link = (args: string[], environment = {}) => runCommand(["users", "link", ...args], { environment });

  test("says where the URL of the database is found when none is given", async () => {
    const { exitCode, stderr } = await link(["user_ada", "--row", "1"]);
    expect([exitCode, stderr]).toEqual([
      2,
      "error usage_invalid: Set DATABASE_URL, or pass --database-url: Supabase's dashboard shows it under Connect (session pooler, or direct connection).",
    ]);
  });

  test("does not guess which row is meant", async () => {
    const { exitCode, stderr } = await link(["user_ada"], { DATABASE_URL: "postgres://127.0.0.1/none" });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("required option '--row <id>' not specified")]);
  });

  test("names the variable whose database is not reached", async () => {
    const { exitCode, stderr } = await link(["user_ada", "--row", "1"], {
      DATABASE_URL: "postgres://127.0.0.1:1/none",
    });
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringContaining("database_unavailable: DATABASE_URL cannot be reached"),
    ]);
  });

  test("says in its help what it does not find", async () => {
    expect((await link(["--help"])).stdout).toContain("a column that holds the id of a row without one is not found");
  });
});
