import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { createSupabaseRpc } from "#core/database/supabase-rpc.ts";
import { defaultPrivileges } from "../../support/supabase/default-privileges.ts";
import { type Project, startProject } from "../../support/supabase/start-project.ts";

// What row-level-security.test.ts refuses to users is answered to those who may: a refusal there is one of the
// database, not of a stand-in that cannot do it.
let project: Project;
let service: SupabaseClient;
beforeAll(async () => {
  project = await startProject(defaultPrivileges["grant nothing"]);
  service = project.withKey(project.api.keys.secret);
});
beforeEach(() =>
  project.pool.query(
    `delete from public.users;
     insert into public.users (clerk_id, email, name, "updatedAt")
     values ('user_ada', 'ada@example.com', 'Ada', now()), ('user_eve', 'eve@example.com', 'Eve', now())`,
  ),
);
afterAll(() => project?.stop());

const users = () => service.from("users").select("clerk_id");

it.each([
  ["no filter", () => users().order("clerk_id"), ["user_ada", "user_eve"]],
  ["eq", () => users().eq("clerk_id", "user_eve"), ["user_eve"]],
  ["neq", () => users().neq("clerk_id", "user_ada"), ["user_eve"]],
  ["in", () => users().in("clerk_id", ["user_eve", "a,b", 'c"d']), ["user_eve"]],
  ["like", () => users().like("email", "eve@%"), ["user_eve"]],
  ["is", () => users().is("deleted_at", null).order("clerk_id"), ["user_ada", "user_eve"]],
  ["not", () => users().not("clerk_id", "eq", "user_ada"), ["user_eve"]],
  ["or", () => users().or("name.eq.Ada,and(name.eq.Eve,role.eq.user)").order("clerk_id"), ["user_ada", "user_eve"]],
  ["order and limit", () => users().order("email", { ascending: false }).limit(1), ["user_eve"]],
  ["range", () => users().order("clerk_id").range(1, 1), ["user_eve"]],
])("the service role reads by %s", async (_title, ask, ids) => {
  expect(await ask()).toMatchObject({ status: 200, data: ids.map((clerk_id) => ({ clerk_id })) });
});

it("counts, aliases and single objects are answered as PostgREST does", async () => {
  expect((await service.from("users").select("*", { count: "exact", head: true })).count).toBe(2);
  expect((await service.from("users").select("id:clerk_id").eq("name", "Ada").single()).data).toEqual({
    id: "user_ada",
  });
  expect((await users().single()).error).toMatchObject({ code: "PGRST116", details: "The result contains 2 rows" });
  expect((await users().eq("name", "Nobody").maybeSingle()).data).toBe(null);
});

it("the service role inserts, upserts, updates and deletes", async () => {
  const table = () => service.from("users");
  const row = { clerk_id: "user_new", updatedAt: "2026-01-01T00:00:00" };
  expect(await table().insert(row)).toMatchObject({ status: 201, data: null });
  expect(await table().insert(row)).toMatchObject({ status: 409, error: { code: "23505" } });
  const merged = await table()
    .upsert({ ...row, role: "admin" }, { onConflict: "clerk_id" })
    .select("role");
  expect(merged).toMatchObject({ status: 201, data: [{ role: "admin" }] });
  const ignored = await table().upsert(row, { onConflict: "clerk_id", ignoreDuplicates: true }).select();
  expect(ignored.data).toEqual([]);
  expect(await table().update({ email: "x@example.com" }).eq("clerk_id", "user_new")).toMatchObject({ status: 204 });
  expect(await table().update({})).toMatchObject({ status: 204 });
  expect((await table().delete().eq("email", "x@example.com").select("clerk_id")).data).toEqual([
    { clerk_id: "user_new" },
  ]);
});

it("what the database does not know is refused in PostgREST's words", async () => {
  expect(await service.from("users").select("nothing")).toMatchObject({ status: 400, error: { code: "42703" } });
  expect(await service.from("users").update({ nothing: 1 })).toMatchObject({
    status: 400,
    error: { code: "PGRST204" },
  });
  expect(await service.from("users").select().eq("id", "x")).toMatchObject({ status: 400, error: { code: "22P02" } });
  expect(await service.rpc("clerk_sync_purge_jobs", { p_x: 1 })).toMatchObject({
    status: 404,
    error: { code: "PGRST202" },
  });
});

it("a function that writes is not called by GET, one that reads is", async () => {
  const written = await service.rpc("clerk_sync_purge_jobs", { p_days: 30 }, { get: true });
  expect(written).toMatchObject({ status: 405, error: { code: "25006" } });
  expect(await service.rpc("clerk_sync_schedule_state", {}, { get: true })).toMatchObject({
    status: 200,
    data: { cron: false },
  });
});

it.each(["secret", "serviceRoleJwt"] as const)("the functions call SQL with the %s key", async (kind) => {
  const { url, keys } = project.api;
  expect(await createSupabaseRpc(url, keys[kind])("clerk_sync_schedule_state", {})).toMatchObject({ cron: false });
  await expect(createSupabaseRpc(url, keys[kind])("clerk_sync_nothing", {})).rejects.toMatchObject({
    code: "database_rejected",
    message: expect.stringContaining("PGRST202"),
  });
});

it.each(["publishable", "anonJwt"] as const)("the functions call nothing with the %s key", async (kind) => {
  const { url, keys } = project.api;
  await expect(createSupabaseRpc(url, keys[kind])("clerk_sync_schedule_state", {})).rejects.toMatchObject({
    code: "database_rejected",
    message: expect.stringContaining("42501"),
  });
});

it("the gateway's refusal of an unknown key may pass, as a key that is being changed", async () => {
  await expect(
    createSupabaseRpc(project.api.url, "sb_secret_unknown")("clerk_sync_schedule_state", {}),
  ).rejects.toMatchObject({ code: "database_unavailable", retryable: true });
});
