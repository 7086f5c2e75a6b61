import { afterAll, beforeAll, expect, it } from "vitest";
import { expandLine } from "../../support/mapping/configure-users.ts";
import { applyMapping, changeMapping } from "../../support/mapping/contract-mapping.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";

// A table that has the address and nothing else of Clerk's: what the mirror needs besides, the sync keeps.
const createdAt = expandLine("created_at", "created_at");
const mapping = changeMapping({
  columns: [expandLine("email", "email"), expandLine("updatedAt", "now"), createdAt],
});

let system: AdminSystem;
beforeAll(async () => {
  system = await startAdminSystem();
  await applyMapping(system.server.pool, mapping);
});
afterAll(() => system?.stop());

it("a name and a role that the table has no column for reach Supabase Auth, and are compared with it", async () => {
  system.setAtClerk("user_ada", { version: 1, firstName: "Ada", lastName: "Lovelace", role: "admin" });
  await system.deliver("user_ada", { firstName: "Ada", lastName: "Lovelace", role: "admin" });
  const { rows } = await system.server.pool.query(
    "select u.name, u.role::text, s.name as kept_name, s.role as kept_role from users as u join clerk_sync.user_state as s using (clerk_id)",
  );
  expect(rows).toEqual([{ name: null, role: "user", kept_name: "Ada Lovelace", kept_role: "admin" }]);
  expect((await system.ask("POST", "/users/user_ada/reveal")).body).toMatchObject({
    verdict: { code: "in_step", what: expect.stringContaining("Clerk and public.users agree") },
    auth: { values: { name: "Ada Lovelace", role: "admin" } },
    comparison: [
      { name: "email", source: "email", users: "user_ada@example.com", auth: "user_ada@example.com" },
      { name: "updatedAt", source: "now" },
      { name: "created_at", source: "created_at" },
      { name: "name", source: null, clerk: "Ada Lovelace", users: "Ada Lovelace", auth: "Ada Lovelace" },
      { name: "role", source: null, clerk: "admin", users: "admin", auth: "admin" },
      { name: "phone" },
      { name: "banned" },
      { name: "version" },
    ],
    differences: [],
    unlinked_note: null,
  });
});

it("a later name reaches Supabase Auth, and what the sync keeps is masked", async () => {
  await system.deliver("user_eve", { version: 1, firstName: "Eve", lastName: null, role: "admin" });
  await system.deliver("user_eve", { version: 2, firstName: "Evelyn", lastName: null });
  system.setAtClerk("user_eve", { version: 2, firstName: "Evelyn", lastName: null });
  expect((await system.ask("GET", "/users/user_eve")).body).toMatchObject({
    verdict: { code: "in_step" },
    auth: { values: { name: "E***", role: "user" } },
    values: { name: "E***", role: "user" },
  });
  const { rows } = await system.server.pool.query(
    "select raw_user_meta_data ->> 'full_name' as name from auth.users where email = 'user_eve@example.com'",
  );
  expect(rows).toEqual([{ name: "Evelyn" }]);
});

it("a user without an address is not taken for one whose address another row holds", async () => {
  await applyMapping(
    system.server.pool,
    changeMapping({ columns: [expandLine("name", "name"), expandLine("updatedAt", "now"), createdAt], linkBy: null }),
  );
  system.setAtClerk("user_joe", { version: 1 });
  await system.deliver("user_joe", { version: 1 });
  expect(await system.verdictOf("user_joe")).toMatchObject({ code: "in_step" });
  await applyMapping(system.server.pool, mapping);
});

it("a row that was not linked is named with the command that links it", async () => {
  await system.deliver("user_two", { version: 1 });
  await system.server.pool.query(
    "insert into clerk_sync.user_state (clerk_id, unlinked_row) values ('user_two', 'row_1') on conflict (clerk_id) do update set unlinked_row = excluded.unlinked_row",
  );
  expect((await system.ask("GET", "/users/user_two")).body).toMatchObject({
    state: { unlinked_row: "row_1" },
    unlinked_note: expect.stringMatching(
      /^Row row_1 of public\.users .* row [0-9a-f-]{36}, .* clerk-sync users link user_two --row row_1 /,
    ),
  });
});
