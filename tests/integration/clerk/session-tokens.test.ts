import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ClerkSessions, startClerkSessions } from "../../support/clerk/start-clerk-sessions.ts";
import { defaultPrivileges } from "../../support/supabase/default-privileges.ts";
import { type Project, startProject } from "../../support/supabase/start-project.ts";

let project: Project;
let stranger: ClerkSessions;
beforeAll(async () => {
  project = await startProject(defaultPrivileges["grant everything"]);
  stranger = await startClerkSessions(); // another instance, whose key goes by the same id
  await project.pool.query(
    `insert into public.users (clerk_id, name, "updatedAt") values ('user_ada', 'Ada', now()), ('user_eve', 'Eve', now())`,
  );
});
afterAll(async () => {
  await stranger?.stop();
  await project?.stop();
});

const ada = { sub: "user_ada", role: "authenticated" };
const past = Math.floor(Date.now() / 1000) - 3600;
const read = (token: string) => project.withToken(token).from("users").select("clerk_id");
const sign = (claims: Record<string, unknown>) => project.clerk.signSessionToken(claims);

/** The token with one character of a part changed. */
function change(token: string, part: number): string {
  const parts = token.split(".");
  const text = parts[part] ?? "";
  parts[part] = text.startsWith("e") ? `f${text.slice(1)}` : `e${text.slice(1)}`;
  return parts.join(".");
}

it("a token of the instance opens the own row and no other", async () => {
  expect(await read(await sign(ada))).toMatchObject({ status: 200, data: [{ clerk_id: "user_ada" }] });
});

it.each([
  ["with a wrong signature", async () => change(await sign(ada), 2), "PGRST301"],
  ["with changed claims", async () => change(await sign(ada), 1), "PGRST301"],
  ["of another instance", () => stranger.signSessionToken(ada), "PGRST301"],
  [
    "of another instance that claims to be this one",
    () => stranger.signSessionToken({ ...ada, iss: project.clerk.issuer }),
    "PGRST301",
  ],
  ["that has expired", () => sign({ ...ada, exp: past }), "PGRST303"],
  ["that is not valid yet", () => sign({ ...ada, nbf: past + 7200, exp: past + 9000 }), "PGRST303"],
  ["that nobody signed (alg none)", async () => new UnsecuredJWT({ ...ada, exp: past + 7200 }).encode(), "PGRST301"],
  [
    "signed by HS256 with the public key as secret",
    () =>
      new SignJWT(ada)
        .setProtectedHeader({ alg: "HS256", kid: project.clerk.keyId })
        .sign(new TextEncoder().encode(project.clerk.publicKey)),
    "PGRST301",
  ],
  ["that is none", async () => "user_ada", "PGRST301"],
])("a token %s reads nothing", async (_title, makeToken, code) => {
  expect(await read(await makeToken())).toMatchObject({ status: 401, error: { code }, data: null });
});

it("a token without a subject reads no row", async () => {
  expect(await read(await sign({ role: "authenticated" }))).toMatchObject({ status: 200, data: [] });
});

it.each(["user_eve' or true --", "", "USER_ADA", "user_%", "null"])("the subject %j is nobody", async (sub) => {
  expect(await read(await sign({ ...ada, sub }))).toMatchObject({ status: 200, data: [] });
});

it("a token without the role claim is anon", async () => {
  expect(await read(await sign({ sub: "user_ada" }))).toMatchObject({ status: 401, error: { code: "42501" } });
});

it.each([
  ["postgres", 403],
  ["nobody_of_this_name", 401],
])("a token whose role claim is %s is refused", async (role, status) => {
  expect(await read(await sign({ ...ada, role }))).toMatchObject({ status, data: null });
});

// Supabase takes the role as the token says it, of third parties too: "Your Supabase project inspects the role claim
// present in all JWTs sent to it". Nobody but the owner can write the claim, in Clerk's session token or JWT template.
it("a session template that says role service_role gives every user all rights: only authenticated may stand there", async () => {
  const answer = await read(await sign({ ...ada, role: "service_role" }));
  expect(answer.data).toHaveLength(2);
});

it("what a user may write into a token (unsafe_metadata) raises no right", async () => {
  const claims = { ...ada, metadata: { role: "admin" }, user_metadata: { role: "service_role" }, app_role: "admin" };
  const client = project.withToken(await sign(claims));
  expect((await client.from("users").select("clerk_id")).data).toEqual([{ clerk_id: "user_ada" }]);
  expect(await client.from("users").update({ role: "admin" })).toMatchObject({ status: 403 });
});

it("beside a user's token the secret key adds nothing", async () => {
  const token = await sign(ada);
  const client = project.withKey(project.api.keys.secret);
  const answer = await client.from("users").select("clerk_id").setHeader("Authorization", `Bearer ${token}`);
  expect(answer.data).toEqual([{ clerk_id: "user_ada" }]);
});

it("without a key of the project, or with a wrong one, a valid token opens nothing", async () => {
  const url = `${project.api.url}/rest/v1/users?select=clerk_id`;
  const authorization = `Bearer ${await sign(ada)}`;
  for (const apikey of ["", "sb_secret_wrong", "sb_publishable_wrong", await sign(ada)]) {
    expect((await fetch(url, { headers: { authorization, apikey } })).status).toBe(401);
  }
  const secretAsBearer = { authorization: `Bearer ${project.api.keys.secret}` };
  expect((await fetch(url, { headers: secretAsBearer })).status).toBe(401);
  expect((await fetch(url, { headers: { ...secretAsBearer, apikey: project.api.keys.publishable } })).status).toBe(401);
});
