import { afterAll, beforeAll, expect, it } from "vitest";
import { type AskAdmin, createAskAdmin } from "../../support/admin/ask-admin.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import {
  type ClerkInstance,
  clerkEnvironment,
  planClerkInstance,
  startClerkInstance,
} from "../../support/clerk/clerk-instance.ts";
import { type DenoFunction, startDenoFunction } from "../../support/processes/deno-function.ts";
import { type SupabaseStandIn, startSupabaseStandIn } from "../../support/supabase/supabase-stand-in.ts";

// The function sees the path that begins with its name; what calls it sees /functions/v1 before that.

let clerk: ClerkInstance;
let supabase: SupabaseStandIn;
let admin: DenoFunction;
let ask: AskAdmin;
beforeAll(async () => {
  const place = await planClerkInstance();
  clerk = await startClerkInstance(place);
  supabase = await startSupabaseStandIn();
  admin = await startDenoFunction("sync-admin", {
    SUPABASE_URL: supabase.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: supabase.keys.secret }),
    ADMIN_OPERATOR_ROLES: "admin",
    ...clerkEnvironment(place),
  });
  ask = createAskAdmin(`${admin.url}/sync-admin`, { apikey: supabase.keys.secret, "x-clerk-sync-actor": "Ada" });
});
afterAll(async () => {
  await admin?.stop();
  await supabase?.stop();
  await clerk?.stop();
});

const setAtClerk = (id: string, role?: string) =>
  clerk.users.set(id, userEvent("user.created", { id, version: 1, role }).data as { id: string; updated_at: number });
const codeOf = async (id: string) => ((await ask("GET", `/users/${id}`)).body["verdict"] as { code: string }).code;

it("under Deno a missing user is found out, brought by a resync after the answer, and acts by the own role", async () => {
  setAtClerk("user_boss", "admin");
  expect(await codeOf("user_boss")).toBe("never_delivered");
  expect((await ask("POST", "/users/user_boss/resync")).body).toEqual({ requested: 1 });
  await expect.poll(() => codeOf("user_boss")).toBe("in_step");
  const token = await clerk.tokens.sign({ sub: "user_boss", azp: "https://app.example.com" });
  const me = await ask("GET", "/me", undefined, { authorization: `Bearer ${token}` });
  expect(me.body).toMatchObject({ name: "user_boss", right: "operator", by: "session_token" });
});

it("under Deno every reading route answers in the form of the document", async () => {
  const { body } = await ask("GET", "/jobs?clerk_id=user_boss");
  const id = (body["jobs"] as { id: string }[])[0]?.id ?? "";
  const lists = [
    "/overview",
    "/series?window=24h",
    "/jobs/counts",
    "/dead-letters",
    "/users?q=user_boss",
    "/runs",
    "/audit",
  ];
  for (const path of [...lists, `/jobs/${id}`, "/openapi.json"])
    expect((await ask("GET", path)).status, path).toBe(200);
  expect((await ask("POST", `/jobs/${id}/reveal`)).body).toMatchObject({ is_revealed: true });
  expect((await ask("POST", "/jobs/retry", { ids: [id] })).body).toEqual({ changed: 0 });
  expect((await ask("POST", "/jobs/count", { filter: {}, action: "cancel" })).body).toEqual({
    count: 0,
    is_exact: true,
  });
});

it("under Deno a run is walked, and a viewer's token acts nowhere", async () => {
  const { body } = await ask("POST", "/runs", { kind: "compare", applies: false });
  expect(body).toMatchObject({ is_over: true, run: { status: "COMPLETED" }, differences: [] });
  const signedIn = await ask("POST", "/sign-in", { name: "Bob", right: "viewer" });
  const viewer = { authorization: `Bearer ${signedIn.body["token"]}` };
  expect((await ask("GET", "/me", undefined, viewer)).body).toMatchObject({ name: "Bob", right: "viewer" });
  expect((await ask("POST", "/runs/cancel", undefined, viewer)).status).toBe(403);
});

it("under Deno what is sent wrong is refused: no key, no such cursor, no JSON", async () => {
  expect((await ask("GET", "/me", undefined, {})).status).toBe(401);
  expect((await ask("GET", "/jobs?cursor=zz")).body).toMatchObject({ code: "request_invalid" });
  const headers = { apikey: supabase.keys.secret };
  expect((await fetch(`${admin.url}/sync-admin/jobs/retry`, { method: "POST", headers, body: "{" })).status).toBe(400);
  expect((await fetch(`${admin.url}/sync-admin/jobs/retry`, { method: "POST", headers })).status).toBe(400);
});

it("under Deno neither key nor token is in the log", () => {
  expect(admin.output()).not.toMatch(/sb_secret_|eyJ/);
});
