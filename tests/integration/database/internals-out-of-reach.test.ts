import type { SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultPrivileges } from "../../support/supabase/default-privileges.ts";
import { type Project, startProject } from "../../support/supabase/start-project.ts";

describe.each(Object.entries(defaultPrivileges))(
  "the internals over HTTP where default privileges %s",
  (_, defaults) => {
    let project: Project;
    let callers: { client: SupabaseClient; status: number }[];
    beforeAll(async () => {
      project = await startProject(defaults);
      callers = [
        { client: await project.asUser("user_ada"), status: 403 },
        { client: project.withKey(project.api.keys.publishable), status: 401 },
        { client: project.withKey(project.api.keys.anonJwt), status: 401 },
      ];
    });
    afterAll(() => project?.stop());

    it("every function clerk_sync_* is refused to a signed-in user and to anon, by POST and by GET", async () => {
      const { rows } = await project.pool.query<{ name: string; arguments: string[] }>(
        `select p.proname as name, coalesce(p.proargnames, '{}') as arguments
       from pg_catalog.pg_proc as p
       where p.pronamespace = 'public'::regnamespace and p.proname like 'clerk\\_sync\\_%'`,
      );
      expect(rows.map((row) => row.name)).toContain("clerk_sync_enqueue");
      for (const { name, arguments: names } of rows) {
        const args = Object.fromEntries(names.map((argument) => [argument, null]));
        for (const { client, status } of callers) {
          const message = `permission denied for function ${name}`; // not of a table that it would have read
          expect(await client.rpc(name, args)).toMatchObject({ status, error: { code: "42501", message } });
          expect((await client.rpc(name, {}, { get: true })).error, name).not.toBe(null);
        }
      }
    });

    it("a function of the private schema has no name in the API", async () => {
      for (const { client } of callers) {
        expect(await client.rpc("write_users")).toMatchObject({ status: 404, error: { code: "PGRST202" } });
        const inSchema = await client.schema("clerk_sync").rpc("write_users");
        expect(inSchema).toMatchObject({ status: 406, error: { code: "PGRST106" } });
      }
    });

    it("the helpers for policies have no name in the API", async () => {
      for (const { client } of callers) {
        expect(await client.rpc("my_org_ids")).toMatchObject({ status: 404, error: { code: "PGRST202" } });
        const inSchema = await client.schema("clerk").rpc("my_org_ids");
        expect(inSchema).toMatchObject({ status: 406, error: { code: "PGRST106" } });
      }
    });

    it("the queue is refused for every verb", async () => {
      for (const { client, status } of callers) {
        const queue = () => client.from("job_queue");
        const attempts = [
          queue().select(),
          queue().select("id").limit(1),
          queue().insert({ job_type: "USER_DELETED" }),
          queue().upsert({ job_type: "USER_DELETED" }),
          queue().update({ status: "CANCELLED" }).eq("status", "PENDING"),
          queue().delete().eq("status", "PENDING"),
        ];
        for (const attempt of attempts) expect(await attempt).toMatchObject({ status, error: { code: "42501" } });
        expect((await queue().select("*", { count: "exact", head: true })).status).toBe(status);
      }
    });

    it("the tables of the private schemas are neither reached by profile nor by name", async () => {
      const { rows } = await project.pool.query<{ schema: string; name: string }>(
        `select c.relnamespace::regnamespace::text as schema, c.relname as name
       from pg_catalog.pg_class as c
       where c.relnamespace::regnamespace::text in ('clerk_sync', 'clerk_sync_migrations', 'auth')
         and c.relkind in ('r', 'v', 'm', 'p')`,
      );
      expect(rows.map((row) => row.schema)).toEqual(
        expect.arrayContaining(["clerk_sync", "clerk_sync_migrations", "auth"]),
      );
      for (const { schema, name } of rows) {
        for (const { client } of callers) {
          const profile = { status: 406, error: { code: "PGRST106" } };
          expect(await client.schema(schema).from(name).select(), name).toMatchObject(profile);
          expect(await client.schema(schema).from(name).delete().neq("x", 1), name).toMatchObject(profile);
          expect((await client.from(`${schema}.${name}`).select()).status, name).toBe(404);
        }
      }
    });

    it.each(["*,job_queue(*)", "*,jobs:job_queue!inner(*)", "...job_queue(*)", "*,user_state(*)"])(
      "select=%s embeds nothing",
      async (select) => {
        for (const { client } of callers) {
          expect(await client.from("users").select(select)).toMatchObject({
            status: 400,
            error: { code: "PGRST200" },
            data: null,
          });
        }
      },
    );

    it("a view that its owner makes over users with security_invoker shows no more than users does", async () => {
      await project.pool.query(
        `insert into public.users (clerk_id, "updatedAt") values ('user_ada', now()), ('user_eve', now());
       create view public.profiles with (security_invoker = true) as select u.clerk_id, u.name from public.users as u;
       grant select on public.profiles to anon, authenticated`,
      );
      const [user, anon] = callers;
      expect((await user?.client.from("profiles").select("clerk_id"))?.data).toEqual([{ clerk_id: "user_ada" }]);
      expect(await anon?.client.from("profiles").select()).toMatchObject({ status: 401, error: { code: "42501" } });
    });

    it.each(["secret", "serviceRoleJwt"] as const)("the %s key reaches users, queue and functions", async (kind) => {
      const service = project.withKey(project.api.keys[kind]);
      expect((await service.from("users").select("clerk_id")).error).toBe(null);
      expect(await service.from("job_queue").select("id")).toMatchObject({ status: 200, data: [] });
      expect(await service.rpc("clerk_sync_run_jobs")).toMatchObject({ status: 200, data: { jobs: [] } });
      expect(await service.rpc("clerk_sync_nothing")).toMatchObject({ status: 404, error: { code: "PGRST202" } });
      expect(await service.from("nothing").select()).toMatchObject({ status: 404, error: { code: "PGRST205" } });
      expect(await service.schema("clerk_sync").from("user_state").select()).toMatchObject({ status: 406 });
    });
  },
);
