import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mapEvent } from "#core/clerk/map-event.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import {
  type MembershipFacts,
  membershipData,
  organizationData,
  recordEvent,
  roleData,
} from "../../support/clerk/build-record-event.ts";
import { allRecords } from "../../support/clerk/record-fields.ts";
import { storedFields } from "../../support/clerk/root-fields.ts";
import { type ClerkSessions, startClerkSessions } from "../../support/clerk/start-clerk-sessions.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";
import { type RestApi, startRestApi } from "../../support/supabase/rest-api/start-rest-api.ts";

// Policies with the helpers, as an app meets them: unmodified supabase-js, session tokens as Clerk signs them, and events
// as Clerk sends them. Tokens live long enough for the slowest machine.

let queue: KindQueue;
let clerk: ClerkSessions;
let api: RestApi;
beforeAll(async () => {
  queue = await createKindQueue();
  clerk = await startClerkSessions();
  api = await startRestApi({ pool: queue.pool, jwksUrl: clerk.jwksUrl });
  await queue.pool.query(`
    create table public.notes (
      id bigint generated always as identity primary key, organization_id text not null, body text not null
    );
    alter table public.notes enable row level security;
    grant select, insert, update, delete on public.notes to authenticated;
    create policy notes_read on public.notes
      for select to authenticated
      using (organization_id in (select clerk.my_org_ids()));
    create policy notes_insert on public.notes
      for insert to authenticated
      with check (organization_id = (select clerk.org_id()) and clerk.is_member(organization_id));
    create policy notes_update on public.notes
      for update to authenticated
      using (organization_id in (select o.id from clerk.my_org_ids() as o(id) where clerk.member_role(o.id) = 'org:admin'));
    create policy notes_delete on public.notes
      for delete to authenticated
      using (
        organization_id in (
          select o.id from clerk.my_org_ids() as o(id) where clerk.member_has_permission(o.id, 'org:notes:manage')
        )
      );
    insert into public.notes (organization_id, body) values ('org_1', 'one'), ('org_2', 'two'), ('org_3', 'three')`);
});
afterAll(async () => {
  await api?.stop();
  await clerk?.stop();
  await queue?.drop();
});

let count = 0;

/** Takes an event as the webhook does. */
async function take(event: object): Promise<void> {
  const parsed = parseEvent(new TextEncoder().encode(JSON.stringify(event)), allRecords);
  if (parsed.type === "unhandled") throw new Error(`${parsed.name} is not handled`);
  count += 1;
  const { clerk_id: id, payload, ...job } = mapEvent(parsed, `msg_${count}`, storedFields, allRecords);
  await queue.accept({ ...job, clerk_id: id ?? "", payload: { ...payload } });
  await queue.run(); // what the call left
}

const membership = (type: "created" | "updated" | "deleted", facts: MembershipFacts) =>
  take(recordEvent(`organizationMembership.${type}`, facts.version, membershipData(facts)));

const join = (id: string, organization: string, user: string, version: number, role = "org:member") =>
  membership("created", { id, organization, user, version, createdAt: version, role });

const user = (id: string) => take(userEvent("user.created", { id, version: 1 }));

/** supabase-js with the token of a session. `organization` is the active one. */
async function signIn(sub: string, organization?: { id: string; rol: string }): Promise<SupabaseClient> {
  const claims = { sub, role: "authenticated", exp: Math.floor(Date.now() / 1000) + 24 * 3600 };
  const o = organization === undefined ? {} : { o: { ...organization, slg: "slug" } };
  const token = await clerk.signSessionToken({ ...claims, ...o });
  return createClient(api.url, api.keys.publishable, { accessToken: async () => token });
}

async function bodies(client: SupabaseClient): Promise<string[]> {
  const { data, error } = await client.from("notes").select("body").order("body");
  if (error !== null) throw new Error(error.message);
  return data.map(({ body }) => body);
}

it("a member reads the organization's rows, and loses them with the event of the removal, although the token lives on", async () => {
  await user("user_ada");
  const ada = await signIn("user_ada", { id: "org_1", rol: "member" });
  expect(await bodies(ada)).toEqual([]);
  await join("orgmem_1", "org_1", "user_ada", 2);
  expect(await bodies(ada)).toEqual(["one"]);
  await membership("deleted", { id: "orgmem_1", organization: "org_1", user: "user_ada", version: 3 });
  expect(await bodies(ada)).toEqual([]);
  expect((await ada.from("notes").insert({ organization_id: "org_1", body: "late" })).error?.code).toBe("42501");
});

it("who joins again reads again, and a late removal of the first membership takes nothing", async () => {
  await user("user_again");
  const client = await signIn("user_again");
  await join("orgmem_again_1", "org_1", "user_again", 2);
  await join("orgmem_again_2", "org_1", "user_again", 5);
  await membership("deleted", { id: "orgmem_again_1", organization: "org_1", user: "user_again", version: 4 });
  expect(await bodies(client)).toEqual(["one"]);
});

it("an admin who was demoted cannot write any more, and still reads", async () => {
  await user("user_eve");
  await join("orgmem_2", "org_2", "user_eve", 2, "org:admin");
  const eve = await signIn("user_eve", { id: "org_2", rol: "admin" });
  const change = (body: string) => eve.from("notes").update({ body }).eq("organization_id", "org_2").select("body");
  expect((await change("of an admin")).data).toEqual([{ body: "of an admin" }]);
  await membership("updated", {
    id: "orgmem_2",
    organization: "org_2",
    user: "user_eve",
    version: 3,
    role: "org:member",
  });
  expect((await change("of nobody")).data).toEqual([]);
  expect(await bodies(eve)).toEqual(["of an admin"]);
});

it("the rows of a second organization stay out, also when the token names it", async () => {
  await user("user_bob");
  await join("orgmem_3", "org_3", "user_bob", 2, "org:admin");
  const bob = await signIn("user_bob", { id: "org_1", rol: "admin" });
  expect(await bodies(bob)).toEqual(["three"]);
  expect((await bob.from("notes").insert({ organization_id: "org_1", body: "x" })).error?.code).toBe("42501");
  expect((await bob.from("notes").update({ body: "x" }).eq("organization_id", "org_1").select()).data).toEqual([]);
  expect((await bob.from("notes").delete().eq("organization_id", "org_1").select()).data).toEqual([]);
});

it("a token without an active organization sees what the tables allow", async () => {
  await user("user_many");
  await join("orgmem_4", "org_1", "user_many", 2);
  await join("orgmem_5", "org_3", "user_many", 2);
  const client = await signIn("user_many");
  expect(await bodies(client)).toEqual(["one", "three"]);
  expect((await client.from("notes").insert({ organization_id: "org_1", body: "x" })).error?.code).toBe("42501");
  const active = await signIn("user_many", { id: "org_1", rol: "member" });
  expect((await active.from("notes").insert({ organization_id: "org_1", body: "x" })).error).toBe(null);
});

it("a permission that a role gets or loses counts for its members, without an event of theirs", async () => {
  await user("user_zoe");
  await join("orgmem_6", "org_3", "user_zoe", 2, "org:editor");
  const zoe = await signIn("user_zoe");
  const remove = () => zoe.from("notes").delete().eq("organization_id", "org_3").select("body");
  const role = (version: number, permissions: string[]) =>
    take(
      recordEvent(
        `role.${version === 2 ? "created" : "updated"}`,
        version,
        roleData({ id: "role_1", key: "org:editor", version, permissions }),
      ),
    );
  await role(2, ["org:notes:read"]);
  expect((await remove()).data).toEqual([]);
  await role(3, ["org:notes:read", "org:notes:manage"]);
  await queue.pool.query("insert into public.notes (organization_id, body) values ('org_3', 'draft')");
  expect((await zoe.from("notes").delete().eq("body", "draft").select("body")).data).toEqual([{ body: "draft" }]);
  await role(4, []);
  expect((await remove()).data).toEqual([]);
});

it("a deleted organization takes the access of all its members along, and a deleted user the own", async () => {
  await user("user_last");
  await join("orgmem_7", "org_9", "user_last", 2);
  await join("orgmem_8", "org_3", "user_last", 2);
  await queue.pool.query("insert into public.notes (organization_id, body) values ('org_9', 'nine')");
  const client = await signIn("user_last");
  expect(await bodies(client)).toEqual(["nine", "three"]);
  await take(recordEvent("organization.deleted", 3, { object: "organization", id: "org_9", deleted: true }));
  expect(await bodies(client)).toEqual(["three"]);
  await take({
    ...userEvent("user.created", { id: "user_last", version: 4 }),
    type: "user.deleted",
    data: { id: "user_last", object: "user", deleted: true },
  });
  expect(await bodies(client)).toEqual([]);
});

it("an organization that comes with its own event is the same", async () => {
  await user("user_own");
  await take(recordEvent("organization.created", 1, organizationData({ id: "org_2", version: 1 })));
  await join("orgmem_9", "org_2", "user_own", 2);
  expect(await bodies(await signIn("user_own"))).toHaveLength(1);
});

it("without a session nothing is seen, and nothing is called", async () => {
  const anon = createClient(api.url, api.keys.publishable, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  expect((await anon.from("notes").select()).error?.code).toBe("42501");
});
