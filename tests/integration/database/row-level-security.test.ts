import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { defaultPrivileges } from "../../support/supabase/default-privileges.ts";
import { olderUsersTable } from "../../support/supabase/older-users-table.ts";
import { type Project, startProject } from "../../support/supabase/start-project.ts";

const rows = `
  delete from public.users;
  insert into public.users (id, clerk_id, email, name, "updatedAt")
  values
    ('00000000-0000-4000-8000-00000000000a', 'user_ada', 'ada@example.com', 'Ada', now()),
    ('00000000-0000-4000-8000-00000000000e', 'user_eve', 'eve@example.com', 'Eve', now())`;

const projects = [
  ...Object.entries(defaultPrivileges),
  [
    "grant everything, on an older users table open to all",
    `${defaultPrivileges["grant everything"]}; ${olderUsersTable}`,
  ],
] as const;

describe.each(projects)("public.users over HTTP where default privileges %s", (_, before) => {
  let project: Project;
  let ada: SupabaseClient;
  let anon: SupabaseClient;
  beforeAll(async () => {
    project = await startProject(before);
    ada = await project.asUser("user_ada");
    anon = project.withKey(project.api.keys.publishable);
  });
  beforeEach(() => project.pool.query(rows));
  afterAll(() => project?.stop());

  /** The rows as they are, whoever may see them. */
  const stored = async () => (await project.pool.query("select * from public.users order by clerk_id")).rows;
  const users = () => ada.from("users").select("clerk_id");

  it.each([
    ["no filter", () => users()],
    ["the own id", () => users().eq("clerk_id", "user_ada")],
    ["a list of ids", () => users().in("clerk_id", ["user_ada", "user_eve"])],
    ["an or of both ids", () => users().or("clerk_id.eq.user_ada,clerk_id.eq.user_eve")],
    ["all but nobody", () => users().neq("clerk_id", "user_nobody")],
    ["a pattern", () => users().like("email", "%@example.com")],
    ["an order and a limit", () => users().order("email", { ascending: false }).limit(10)],
  ])("a signed-in user who asks with %s reads the own row only", async (_title, ask) => {
    expect(await ask()).toMatchObject({ status: 200, data: [{ clerk_id: "user_ada" }] });
  });

  it("another's row is not there, by whatever it is asked for", async () => {
    for (const [column, value] of Object.entries((await stored())[1])) {
      if (typeof value !== "string" || value === "user") continue;
      expect(await users().eq(column, value)).toMatchObject({ status: 200, data: [] });
    }
    const single = await users().eq("clerk_id", "user_eve").single();
    expect(single).toMatchObject({ status: 406, error: { code: "PGRST116" }, data: null });
  });

  it("an exact count counts the own row only, also as a head request", async () => {
    expect((await ada.from("users").select("*", { count: "exact", head: true })).count).toBe(1);
    expect((await ada.from("users").select("*", { count: "exact" }).neq("clerk_id", "user_ada")).count).toBe(0);
  });

  it("a signed-in user edits the own name, preferences and medical profile, and reads them back", async () => {
    const edit = { name: "Augusta", preferences: { theme: "dark" }, medical_profile: { preferredUnit: "MMOL" } };
    expect(await ada.from("users").update(edit).eq("clerk_id", "user_ada").select()).toMatchObject({
      status: 200,
      data: [{ ...edit, clerk_id: "user_ada", role: "user" }],
    });
  });

  it.each(["name", "preferences", "medical_profile"])(
    "what a user writes into %s is bounded, what the service writes is not",
    async (column) => {
      const write = (text: string) => ({ [column]: column === "name" ? text : { text } });
      const large = await ada
        .from("users")
        .update(write("x".repeat(65_000)))
        .eq("clerk_id", "user_ada");
      expect(large).toMatchObject({ status: 204 });
      const tooLarge = await ada
        .from("users")
        .update(write("x".repeat(66_000)))
        .eq("clerk_id", "user_ada");
      expect(tooLarge.error?.message).toContain("users_update_at_most_64_kb");
      const service = project.withKey(project.api.keys.secret);
      expect(
        await service
          .from("users")
          .update(write("x".repeat(66_000)))
          .eq("clerk_id", "user_ada"),
      ).toMatchObject({
        status: 204,
      });
    },
  );

  it("an edit of another's row changes nothing, and one without a filter only the own row", async () => {
    const edit = { name: "x", preferences: {}, medical_profile: {} };
    const ofEve = await ada.from("users").update(edit, { count: "exact" }).eq("clerk_id", "user_eve");
    expect(ofEve).toMatchObject({ status: 204, error: null, count: 0 });
    expect(await ada.from("users").update(edit, { count: "exact" })).toMatchObject({ status: 204, count: 1 });
    expect(await stored()).toMatchObject([{ name: "x" }, { name: "Eve" }]);
  });

  describe.each([
    ["role", "admin"],
    ["email", "x@example.com"],
    ["clerk_id", "user_eve2"],
    ["deleted_at", "2026-01-01T00:00:00Z"],
    ["id", "00000000-0000-4000-8000-0000000000ff"],
    ["created_at", "2020-01-01T00:00:00Z"],
    ["updated_at", "2020-01-01T00:00:00Z"],
    ["createdAt", "2020-01-01T00:00:00"],
    ["updatedAt", "2020-01-01T00:00:00"],
  ])("a signed-in user cannot set %s", (column, value) => {
    it.each([
      [
        "alone",
        () =>
          ada
            .from("users")
            .update({ [column]: value })
            .eq("clerk_id", "user_ada"),
      ],
      ["without a filter", () => ada.from("users").update({ [column]: value })],
      [
        "beside an allowed column",
        () =>
          ada
            .from("users")
            .update({ name: "x", [column]: value })
            .select(),
      ],
      [
        "by upsert",
        () => ada.from("users").upsert({ clerk_id: "user_ada", [column]: value }, { onConflict: "clerk_id" }),
      ],
    ])("%s", async (_title, attempt) => {
      const before = await stored();
      expect(await attempt()).toMatchObject({ status: 403, error: { code: "42501" } });
      expect(await stored()).toEqual(before);
    });
  });

  it("every column that the user is not meant to edit is among those tried above", async () => {
    const { rows: editable } = await project.pool.query(
      `select a.attname from pg_catalog.pg_attribute as a
       where a.attrelid = 'public.users'::regclass and a.attnum > 0
         and has_column_privilege('authenticated', 'public.users', a.attnum, 'update') order by 1`,
    );
    expect(editable.map((row) => row.attname)).toEqual(["medical_profile", "name", "preferences"]);
  });

  it.each([
    ["insert", (client: SupabaseClient) => client.from("users").insert({ clerk_id: "user_x", email: "x@example.com" })],
    ["insert the own id again", (client: SupabaseClient) => client.from("users").upsert({ clerk_id: "user_ada" })],
    [
      "insert and ignore duplicates",
      (client: SupabaseClient) => client.from("users").upsert({ clerk_id: "user_x" }, { ignoreDuplicates: true }),
    ],
    ["delete the own row", (client: SupabaseClient) => client.from("users").delete().eq("clerk_id", "user_ada")],
    ["delete all rows", (client: SupabaseClient) => client.from("users").delete().neq("clerk_id", "")],
  ])("neither a signed-in user nor anon may %s", async (_title, attempt) => {
    const before = await stored();
    expect(await attempt(ada)).toMatchObject({ status: 403, error: { code: "42501" } });
    expect(await attempt(anon)).toMatchObject({ status: 401, error: { code: "42501" } });
    expect(await stored()).toEqual(before);
  });

  it("anon may not even ask, nor count, nor edit", async () => {
    const denied = { status: 401, error: { code: "42501" } };
    expect(await anon.from("users").select()).toMatchObject(denied);
    expect((await anon.from("users").select("*", { count: "exact", head: true })).status).toBe(401);
    expect(await anon.from("users").update({ name: "x" }).eq("clerk_id", "user_ada")).toMatchObject(denied);
  });
});
