import { randomBytes, randomUUID } from "node:crypto";
import type { Context, Hono } from "hono";
import type pg from "pg";
import { z } from "zod";
import { AuthError, validationFailed } from "./auth-error.ts";
import { normaliseEmail, normalisePhone } from "./normalise-contact.ts";
import { hashPassword, isPasswordOf } from "./password.ts";

/** What a person is sent: a link's token_hash, by mail or SMS. */
export type Message = { to: string; type: string; token_hash: string };

export type SignInOptions = {
  /** GOTRUE_MAILER_AUTOCONFIRM */
  mailerAutoconfirm?: boolean;
  /** GOTRUE_SMS_AUTOCONFIRM */
  smsAutoconfirm?: boolean;
  /** What left by mail or SMS. */
  onMessage?: (message: Message) => void;
};

type Row = {
  id: string;
  aud: string;
  role: string;
  email: string | null;
  phone: string | null;
  encrypted_password: string | null;
  email_confirmed_at: Date | null;
  phone_confirmed_at: Date | null;
  email_change: string | null;
  phone_change: string | null;
  banned_until: Date | null;
  is_anonymous: boolean;
  raw_app_meta_data: Record<string, unknown>;
};
type SignIn = { pool: pg.Pool; options: SignInOptions };

const text = z.string().optional();
const body = z.object({
  ...{ email: text, phone: text, password: text, refresh_token: text, type: text, token_hash: text, auth_code: text },
  /** Of the stand-in alone: what the provider says in the place of its consent page. */
  userinfo: z.object({ sub: z.string(), email: z.string(), email_verified: z.boolean() }).optional(),
  pkce: z.boolean().optional(),
});
type Body = z.output<typeof body>;

/** Only where a sign-in with a provider is asked for: its code is the userinfo that the provider would answer. */
const provider = "keycloak";

/**
 * The public routes of GoTrue as far as tests need them: sign-up, password, refresh, the exchange of a code, recovery,
 * magic link, verify, resend, a provider's callback, the own user. A ban is asked where GoTrue asks it, and not at
 * sign-up, at the exchange of a code and where mails are sent. Source: internal/api/{signup,token,verify,recover,
 * magic_link,resend,user,external}.go, internal/models/{user,linking}.go.
 */
export function addSignInRoutes(app: Hono, pool: pg.Pool, options: SignInOptions): void {
  const signIn = { pool, options };
  const post = (path: string, answer: (sent: Body, context: Context) => Promise<unknown>) =>
    app.post(path, async (context) => context.json(await answer(body.parse(await context.req.json()), context)));
  post("/signup", (sent) => signUp(signIn, sent));
  post("/token", (sent, context) => grant(signIn, context.req.query("grant_type") ?? "", sent));
  post("/recover", (sent) => sendLink(signIn, sent));
  post("/otp", (sent) => sendOtp(signIn, sent));
  post("/resend", (sent) => resend(signIn, sent));
  post("/verify", (sent) => verify(signIn, sent));
  post("/callback", (sent) => callback(signIn, sent));
  app.put("/user", async (context) => context.json(await changeOwn(signIn, context)));
}

async function signUp(signIn: SignIn, sent: Body): Promise<unknown> {
  if (sent.email === undefined && sent.phone === undefined) {
    return issueSession(signIn, await insertUser(signIn, { is_anonymous: true }));
  }
  const contact = sent.email === undefined ? "phone" : "email";
  const value = contact === "email" ? normaliseEmail(sent.email ?? "") : normalisePhone(sent.phone ?? "");
  const found = contact === "email" ? await findDuplicate(signIn, value) : await findBy(signIn, "phone", value);
  const { mailerAutoconfirm = false, smsAutoconfirm = false } = signIn.options;
  if (found?.[`${contact}_confirmed_at`]) {
    if (mailerAutoconfirm || smsAutoconfirm) throw new AuthError(422, "user_already_exists", "User already registered");
    return { id: randomUUID(), role: "", email: value, identities: [] };
  }
  const password = hashPassword(sent.password ?? randomUUID());
  const user = found ?? (await insertUser(signIn, { [contact]: value, encrypted_password: password }));
  await insertIdentity(signIn, user.id, { provider: contact, sub: user.id, data: { [contact]: value } });
  const isConfirmedNow = contact === "email" ? mailerAutoconfirm : smsAutoconfirm;
  if (isConfirmedNow) await confirm(signIn, user.id, contact);
  else await mail(signIn, user.id, { to: value, type: contact === "email" ? "signup" : "sms" });
  const now = await load(signIn, user.id);
  return now.email_confirmed_at || now.phone_confirmed_at ? issueSession(signIn, now) : toJson(now);
}

async function grant(signIn: SignIn, type: string, sent: Body): Promise<unknown> {
  if (type === "password") return passwordGrant(signIn, sent);
  if (type === "pkce") return codeGrant(signIn, sent);
  const { rows } = await signIn.pool.query<{ user_id: string; session_id: string }>(
    `select s.user_id, s.id as session_id
     from auth.refresh_tokens as t
     join auth.sessions as s on s.id = t.session_id
     where t.token = $1`,
    [sent.refresh_token ?? ""],
  );
  const [session] = rows;
  if (session === undefined) throw new AuthError(400, "refresh_token_not_found", "Invalid Refresh Token");
  const user = await load(signIn, session.user_id);
  refuseBanned(user, 400);
  return issueTokens(signIn, user, session.session_id);
}

async function passwordGrant(signIn: SignIn, sent: Body): Promise<unknown> {
  const contact = sent.email === undefined ? "phone" : "email";
  const value = sent.email?.toLowerCase() ?? sent.phone?.replace(/^\+/, "") ?? "";
  const user = await findBy(signIn, contact, value);
  const invalid = new AuthError(400, "invalid_credentials", "Invalid login credentials");
  if (!user?.encrypted_password) throw invalid;
  refuseBanned(user, 400);
  if (!isPasswordOf(user.encrypted_password, sent.password ?? "")) throw invalid;
  if (!user[`${contact}_confirmed_at`]) throw new AuthError(400, `${contact}_not_confirmed`, "not confirmed");
  return issueSession(signIn, user);
}

/** As GoTrue: a ban that came after the code was given is not asked for. */
async function codeGrant(signIn: SignIn, sent: Body): Promise<unknown> {
  const { rows } = await signIn.pool.query<{ user_id: string }>(
    "delete from auth.flow_state where auth_code = $1 and created_at > now() - interval '300 seconds' returning user_id",
    [sent.auth_code ?? ""],
  );
  const [flow] = rows;
  if (flow === undefined) throw new AuthError(404, "flow_state_not_found", "invalid flow state");
  return issueSession(signIn, await load(signIn, flow.user_id));
}

async function sendLink(signIn: SignIn, sent: Body): Promise<unknown> {
  const user = await findBy(signIn, "email", normaliseEmail(sent.email ?? ""));
  if (user !== undefined) await mail(signIn, user.id, { to: user.email ?? "", type: "recovery" });
  return {};
}

async function sendOtp(signIn: SignIn, sent: Body): Promise<unknown> {
  const contact = sent.email === undefined ? "phone" : "email";
  const value = contact === "email" ? normaliseEmail(sent.email ?? "") : normalisePhone(sent.phone ?? "");
  const user = await findBy(signIn, contact, value);
  if (!user?.[`${contact}_confirmed_at`]) await signUp(signIn, { ...sent, password: randomUUID() });
  const now = await findBy(signIn, contact, value);
  if (now?.[`${contact}_confirmed_at`]) {
    await mail(signIn, now.id, { to: value, type: contact === "email" ? "recovery" : "sms" });
  }
  return {};
}

/** Anybody may ask for the messages of a pending change again. */
async function resend(signIn: SignIn, { type, email, phone }: Body): Promise<unknown> {
  const user = await findBy(signIn, email === undefined ? "phone" : "email", email?.toLowerCase() ?? phone ?? "");
  if (user !== undefined && type === "email_change" && user.email_change) {
    await mail(signIn, user.id, { to: user.email_change, type: "email_change" });
  }
  if (user !== undefined && type === "phone_change" && user.phone_change) {
    await mail(signIn, user.id, { to: user.phone_change, type: "phone_change" });
  }
  return {};
}

async function verify(signIn: SignIn, { type = "", token_hash }: Body): Promise<unknown> {
  const stored = type === "magiclink" ? "recovery" : type;
  const { rows } = await signIn.pool.query<{ user_id: string }>(
    "select user_id from auth.one_time_tokens where token_type = $1 and token_hash = $2",
    [stored, token_hash ?? ""],
  );
  const [token] = rows;
  if (token === undefined) throw new AuthError(403, "otp_expired", "Email link is invalid or has expired");
  const user = await load(signIn, token.user_id);
  refuseBanned(user, 403);
  if (stored === "signup" || stored === "recovery") await confirm(signIn, user.id, "email");
  if (stored === "sms") await confirm(signIn, user.id, "phone");
  if (stored === "email_change") await takeChange(signIn, user, "email");
  if (stored === "phone_change") await takeChange(signIn, user, "phone");
  return issueSession(signIn, await load(signIn, user.id));
}

async function takeChange(signIn: SignIn, user: Row, contact: "email" | "phone"): Promise<void> {
  await signIn.pool.query(
    `update auth.users set ${contact} = ${contact}_change, ${contact}_change = '', is_anonymous = false where id = $1`,
    [user.id],
  );
  const value = contact === "email" ? user.email_change : user.phone_change;
  await insertIdentity(signIn, user.id, { provider: contact, sub: user.id, data: { [contact]: value } });
  await confirm(signIn, user.id, contact);
}

/** The own user is changed; a new address or number waits for its proof. */
async function changeOwn(signIn: SignIn, context: Context): Promise<unknown> {
  const user = await authenticate(signIn, context.req.header("Authorization") ?? "");
  const { email, phone, password } = body.parse(await context.req.json());
  const set = (column: string, value: string) =>
    signIn.pool.query(`update auth.users set ${column} = $2 where id = $1`, [user.id, value]);
  if (password !== undefined) await set("encrypted_password", hashPassword(password));
  if (email !== undefined) {
    await set("email_change", normaliseEmail(email));
    if (user.is_anonymous && signIn.options.mailerAutoconfirm) {
      await takeChange(signIn, await load(signIn, user.id), "email");
    } else await mail(signIn, user.id, { to: email, type: "email_change" });
  }
  if (phone !== undefined) {
    await set("phone_change", normalisePhone(phone));
    if (signIn.options.smsAutoconfirm) await takeChange(signIn, await load(signIn, user.id), "phone");
    else await mail(signIn, user.id, { to: phone, type: "phone_change" });
  }
  return toJson(await load(signIn, user.id));
}

/** A sign-in with a provider: to the user of this identity, to the one who holds the address, or to a new one. */
async function callback(signIn: SignIn, { userinfo, pkce }: Body): Promise<unknown> {
  if (userinfo === undefined) throw validationFailed("userinfo is missing");
  const email = userinfo.email.toLowerCase();
  const isProven = userinfo.email_verified || signIn.options.mailerAutoconfirm;
  const { rows } = await signIn.pool.query<{ user_id: string }>(
    "select user_id from auth.identities where provider = $1 and provider_id = $2",
    [provider, userinfo.sub],
  );
  const known = rows[0] === undefined ? undefined : await load(signIn, rows[0].user_id);
  const linked = known ?? (isProven ? await findDuplicate(signIn, email) : undefined);
  if (linked !== undefined) refuseBanned(linked, 403); // the link is rolled back
  const isHeld = linked === undefined && (await findDuplicate(signIn, email)) !== undefined;
  const user = linked ?? (await insertUser(signIn, isHeld ? {} : { email }));
  await insertIdentity(signIn, user.id, { provider, sub: userinfo.sub, data: { email } });
  if (!user.email_confirmed_at && isProven) await confirm(signIn, user.id, "email");
  const now = await load(signIn, user.id);
  if (!now.email_confirmed_at) {
    await mail(signIn, user.id, { to: email, type: "signup" });
    throw new AuthError(422, "provider_email_needs_verification", "Unverified email with keycloak");
  }
  if (!pkce) return issueSession(signIn, now);
  const code = randomUUID();
  await signIn.pool.query("insert into auth.flow_state (auth_code, user_id) values ($1, $2)", [code, user.id]);
  return { auth_code: code };
}

async function authenticate(signIn: SignIn, header: string): Promise<Row> {
  const claims = z
    .object({ sub: z.string(), session_id: z.string() })
    .parse(JSON.parse(Buffer.from(header.split(".")[1] ?? "", "base64url").toString()));
  const { rowCount } = await signIn.pool.query("select 1 from auth.sessions where id = $1", [claims.session_id]);
  if (rowCount === 0) throw new AuthError(403, "session_not_found", "Session from session_id claim does not exist");
  const user = await load(signIn, claims.sub);
  refuseBanned(user, 403);
  return user;
}

function refuseBanned(user: Row, status: number): void {
  if (user.banned_until !== null && user.banned_until > new Date()) {
    throw new AuthError(status, "user_banned", "User is banned");
  }
}

async function issueSession(signIn: SignIn, user: Row): Promise<unknown> {
  const { rows } = await signIn.pool.query<{ id: string }>(
    "insert into auth.sessions (user_id) values ($1) returning id",
    [user.id],
  );
  await signIn.pool.query("update auth.users set last_sign_in_at = now() where id = $1", [user.id]);
  return issueTokens(signIn, user, rows[0]?.id ?? "");
}

/** The claims are what counts; the signature is none. */
async function issueTokens(signIn: SignIn, user: Row, sessionId: string): Promise<unknown> {
  const refresh = randomBytes(9).toString("base64url");
  await signIn.pool.query("insert into auth.refresh_tokens (token, session_id) values ($1, $2)", [refresh, sessionId]);
  const claims = { sub: user.id, role: user.role, session_id: sessionId, app_metadata: user.raw_app_meta_data };
  const token = `stand-in.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.unsigned`;
  return { access_token: token, refresh_token: refresh, token_type: "bearer", user: toJson(user) };
}

function toJson({ id, email, phone, raw_app_meta_data: app_metadata }: Row): Record<string, unknown> {
  return { id, email, phone, app_metadata };
}

async function confirm({ pool }: SignIn, id: string, contact: "email" | "phone"): Promise<void> {
  await pool.query(`update auth.users set ${contact}_confirmed_at = now() where id = $1`, [id]);
  await pool.query("delete from auth.one_time_tokens where user_id = $1", [id]);
}

async function mail(
  { pool, options }: SignIn,
  userId: string,
  { to, type }: Omit<Message, "token_hash">,
): Promise<void> {
  const hash = randomBytes(16).toString("hex");
  await pool.query(
    `insert into auth.one_time_tokens (user_id, token_type, token_hash) values ($1, $2, $3)
     on conflict (user_id, token_type) do update set token_hash = excluded.token_hash`,
    [userId, type, hash],
  );
  options.onMessage?.({ to, type, token_hash: hash });
}

const columns = `id, aud, role, email, phone, encrypted_password, email_confirmed_at, phone_confirmed_at, email_change,
  phone_change, banned_until, is_anonymous, raw_app_meta_data`;

async function load({ pool }: SignIn, id: string): Promise<Row> {
  const { rows } = await pool.query<Row>(`select ${columns} from auth.users where id = $1`, [id]);
  if (rows[0] === undefined) throw new AuthError(404, "user_not_found", "User not found");
  return rows[0];
}

async function findBy({ pool }: SignIn, contact: "email" | "phone", value: string): Promise<Row | undefined> {
  const { rows } = await pool.query<Row>(
    `select ${columns} from auth.users where lower(${contact}) = $1 and aud = 'authenticated' and not is_sso_user`,
    [value],
  );
  return rows[0];
}

/** Who holds an address in an identity, or else in the row. */
async function findDuplicate(signIn: SignIn, email: string): Promise<Row | undefined> {
  const { rows } = await signIn.pool.query<{ user_id: string }>(
    "select user_id from auth.identities where email = $1 and provider not like 'sso:%'",
    [email],
  );
  return rows[0] === undefined ? findBy(signIn, "email", email) : load(signIn, rows[0].user_id);
}

type NewRow = { email?: string; phone?: string; encrypted_password?: string; is_anonymous?: boolean };

async function insertUser(signIn: SignIn, { email, phone, encrypted_password, is_anonymous }: NewRow): Promise<Row> {
  const { rows } = await signIn.pool.query<{ id: string }>(
    `insert into auth.users (
       instance_id, id, aud, role, email, phone, encrypted_password, is_anonymous, raw_app_meta_data,
       raw_user_meta_data, created_at, updated_at, confirmation_token, recovery_token, email_change_token_new, email_change
     )
     values (
       '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', 'authenticated', $1, $2, $3, $4,
       '{}', '{}', now(), now(), '', '', '', ''
     )
     returning id`,
    [email ?? null, phone ?? null, encrypted_password ?? null, is_anonymous ?? false],
  );
  return load(signIn, rows[0]?.id ?? "");
}

type NewIdentity = { provider: string; sub: string; data: Record<string, unknown> };

async function insertIdentity({ pool }: SignIn, userId: string, { provider: name, sub, data }: NewIdentity) {
  await pool.query(
    `insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
     values ($1, $2, $3, $4, now(), now())
     on conflict (provider_id, provider) do update set identity_data = excluded.identity_data`,
    [sub, userId, JSON.stringify({ ...data, sub }), name],
  );
}
