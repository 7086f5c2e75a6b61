import { type Context, Hono } from "hono";
import type pg from "pg";
import { AuthError, databaseStep } from "./auth-error.ts";
import { authorise } from "./authorise.ts";
import { changeUser, createUser, removeUser } from "./change-users.ts";
import { apiVersionHeader, errorResponse } from "./error-response.ts";
import { linkHeader, parseListPage } from "./list-page.ts";
import { parseSoftDelete, parseUserRequest } from "./parse-request.ts";
import { parseUuid } from "./parse-uuid.ts";
import { readBody, readOptionalBody } from "./read-body.ts";
import { addSignInRoutes, type SignInOptions } from "./sign-in-routes.ts";
import type { UserWithIdentities } from "./user.ts";
import { nanosecondsJson, userJson } from "./user-json.ts";
import { findUser, listUsers } from "./users-sql.ts";

type AuthStandInOptions = {
  /** Its role must be allowed to read and write auth.users and auth.identities. */
  pool: pg.Pool;
  /** What callers send as `apikey`. */
  secretKey: string;
  /** The public routes, by which people sign in; without it there are none. */
  signIn?: SignInOptions;
};

/**
 * The admin routes of Supabase Auth (GoTrue v2.197) on auth.users of `pool`: `/admin/users` and `/admin/users/:id`,
 * to be mounted at `/auth/v1`. Nothing of what it receives is logged; every error becomes a response.
 * Source of the rules: supabase/auth internal/api/admin.go.
 */
export function createAuthStandIn({ pool, secretKey, signIn }: AuthStandInOptions): Hono {
  const app = new Hono();
  app.onError((error, context) => errorResponse(error, context.req.header(apiVersionHeader)));
  app.use("/admin/*", authorise(secretKey));
  app.get("/admin/users", (context) => answerList(pool, context));
  app.post("/admin/users", async (context) => {
    const request = parseUserRequest(await readBody(context.req.raw));
    const { user, identities } = await createUser(pool, request, audienceOf(context));
    return context.json(userJson(user, identities, nanosecondsJson));
  });
  app.get("/admin/users/:id", async (context) => answerUser(context, await loadUser(pool, context)));
  app.put("/admin/users/:id", async (context) => {
    const found = await loadUser(pool, context);
    const request = parseUserRequest(await readBody(context.req.raw));
    return answerUser(context, await changeUser(pool, found, request));
  });
  app.delete("/admin/users/:id", async (context) => {
    const found = await loadUser(pool, context);
    await removeUser(pool, found, parseSoftDelete(await readOptionalBody(context.req.raw)));
    return context.json({});
  });
  for (const [path, table] of [
    ["factors", "mfa_factors"],
    ["passkeys", "webauthn_credentials"],
  ] as const) {
    app.get(`/admin/users/:id/${path}`, async (context) => {
      const { user } = await loadUser(pool, context);
      return context.json(await listCredentials(pool, table, user.id));
    });
    app.delete(`/admin/users/:id/${path}/:credential`, async (context) => {
      const { user } = await loadUser(pool, context);
      await deleteCredential(pool, table, user.id, context.req.param("credential"));
      return path === "factors" ? context.json({}) : context.body(null, 204);
    });
  }
  if (signIn !== undefined) addSignInRoutes(app, pool, signIn);
  return app;
}

async function listCredentials(pool: pg.Pool, table: "mfa_factors" | "webauthn_credentials", userId: string) {
  const { rows } = await pool.query(`select * from auth.${table} where user_id = $1 order by id`, [userId]);
  return rows;
}

async function deleteCredential(
  pool: pg.Pool,
  table: "mfa_factors" | "webauthn_credentials",
  userId: string,
  id: string,
): Promise<void> {
  await pool.query(`delete from auth.${table} where user_id = $1 and id = $2`, [userId, id]);
}

async function answerList(pool: pg.Pool, context: Context): Promise<Response> {
  const url = new URL(context.req.url);
  const page = parseListPage(url.searchParams);
  const audience = audienceOf(context);
  const filter = url.searchParams.get("filter") ?? "";
  const { users, total } = await databaseStep("Database error finding users", () =>
    listUsers(pool, { audience, filter, ...page }),
  );
  context.header("Link", linkHeader(url, page, total));
  context.header("X-Total-Count", String(total));
  return context.json({ users: users.map((user) => userJson(user, null)), aud: audience });
}

async function loadUser(pool: pg.Pool, context: Context): Promise<UserWithIdentities> {
  const id = parseUuid(context.req.param("id") ?? "");
  if (id === undefined) throw new AuthError(404, "validation_failed", "user_id must be an UUID");
  const found = await databaseStep("Database error loading user", () => findUser(pool, id));
  if (found === undefined) throw new AuthError(404, "user_not_found", "User not found");
  return found;
}

function answerUser(context: Context, { user, identities }: UserWithIdentities): Response {
  return context.json(userJson(user, identities));
}

function audienceOf(context: Context): string {
  return context.req.header("X-JWT-AUD") || "authenticated";
}
