import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { authUserIdOf } from "#core/mirror/mirror-user.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";
import { type NativeAuth, type Session, startNativeAuth } from "../../support/supabase/native-sign-in.ts";

// Somebody signs up natively in Supabase Auth with the address of another person, who is a user of Clerk's.

let queue: Queue;
let auth: NativeAuth;
let sessions: Session[];
let codes: string[];
let version = 1;

const clerkId = "user_victim";
const victim = "victim@example.com";
const phone = "+15555550100";
const password = "attacker-knows-it";
const derived = authUserIdOf(clerkId);
const sql = (text: string, values: unknown[] = []) => queue.pool.query(text, values);
const holderOf = async (email: string) => (await sql("select * from auth.users where email = $1", [email])).rows[0];

beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());
beforeEach(async () => {
  sessions = [];
  codes = [];
  await sql("delete from auth.users");
  await sql("delete from public.users");
  await sql("delete from clerk_sync.user_state");
  await sql("delete from public.job_queue");
});
afterEach(() => auth?.stop());

async function keep(session: Promise<Session | null>): Promise<void> {
  const got = await session;
  if (got !== null) sessions.push(got);
}

const eve = (email: string, email_verified: boolean) => ({
  userinfo: { sub: `eve-${email_verified}-${email}`, email, email_verified },
});

/** What an attacker sets up with the address before its owner comes. Who signs up gets the session, if there is one. */
const preparations: Readonly<Record<string, () => Promise<unknown>>> = {
  "does nothing": () => Promise.resolve(),
  "signs up": () => keep(auth.sign("/signup", { email: victim, password })),
  "signs up, and the address is confirmed": async () => {
    await keep(auth.sign("/signup", { email: victim, password }));
    await sql("update auth.users set email_confirmed_at = now() where email = $1", [victim]);
    await keep(auth.sign("/token?grant_type=password", { email: victim, password }));
  },
  "has an identity of a provider linked, and a code to exchange": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    await keep(auth.sign("/callback", eve(victim, true)));
    const { body } = await auth.call("POST", "/callback", { ...eve(victim, true), pkce: true });
    codes.push(String(body["auth_code"]));
  },
  "has recovery and magic links under way": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    await auth.call("POST", "/recover", { email: victim });
    await auth.call("POST", "/otp", { email: victim });
  },
  "has a factor, a passkey, a number and another role": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    const { id } = await holderOf(victim);
    await sql("insert into auth.mfa_factors (user_id, factor_type, status) values ($1, 'totp', 'verified')", [id]);
    await sql("insert into auth.webauthn_credentials (user_id) values ($1)", [id]);
    await sql("update auth.users set role = 'service_role', phone = '15555550199' where id = $1", [id]);
  },
  "has a pending change to an own address and number": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    const token = sessions.at(-1)?.access_token;
    await auth.call("PUT", "/user", { email: "eve@example.com", phone: "+15555550199" }, token);
  },
  "has an own account with a pending change to the address": async () => {
    await keep(auth.sign("/signup", { email: "eve@example.com", password }));
    await sql("update auth.users set email_confirmed_at = now()");
    await keep(auth.sign("/token?grant_type=password", { email: "eve@example.com", password }));
    await auth.call("PUT", "/user", { email: victim }, sessions.at(-1)?.access_token);
  },
  "is anonymous and adds the address": async () => {
    await keep(auth.sign("/signup", {}));
    await auth.call("PUT", "/user", { email: victim }, sessions.at(-1)?.access_token);
  },
  "comes from single sign-on": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    await sql("update auth.users set is_sso_user = true");
    await sql("update auth.identities set provider = 'sso:1', provider_id = 'eve'");
  },
  "is a super admin": async () => {
    await preparations["signs up, and the address is confirmed"]?.();
    await sql("update auth.users set is_super_admin = true");
  },
  "has taken the placeholder": () => keep(auth.sign("/signup", { email: `${derived}@removed.invalid`, password })),
};

/** All that an attacker can try, with everything that was ever mailed to anybody; what is new is kept. */
async function attack(): Promise<Session[]> {
  const known = sessions.length;
  for (const session of sessions.slice(-4)) {
    const change = { password: "another-password", email: "eve@example.com", phone: "+15555550198" };
    await auth.call("PUT", "/user", change, session.access_token);
    await keep(auth.sign("/token?grant_type=refresh_token", { refresh_token: session.refresh_token }));
  }
  for (const auth_code of codes.splice(0)) await keep(auth.sign("/token?grant_type=pkce", { auth_code }));
  const mirror = await sql("select email, phone from auth.users where raw_app_meta_data ->> 'clerk_id' = $1", [
    clerkId,
  ]);
  const contacts = [...mirror.rows, { email: victim, phone: phone.slice(1) }];
  for (const { email, phone: number } of contacts) {
    if (email === null) continue;
    await keep(auth.sign("/token?grant_type=password", { email, password }));
    await keep(auth.sign("/signup", { email, password }));
    await keep(auth.sign("/callback", eve(email, true)));
    await keep(auth.sign("/callback", eve(email, false)));
    await auth.call("POST", "/recover", { email });
    await auth.call("POST", "/otp", { email });
    await auth.call("POST", "/resend", { email, type: "email_change" });
    await auth.call("POST", "/resend", { email, type: "phone_change" });
    if (number) await keep(auth.sign("/signup", { phone: number, password }));
    if (number) await auth.call("POST", "/otp", { phone: number });
  }
  for (const { type, token_hash } of auth.messages.splice(0)) await keep(auth.sign("/verify", { type, token_hash }));
  return sessions.slice(known);
}

/** No session that is new carries the Clerk id of the victim or is one of the victim's mirror. */
async function expectNothing(gained: readonly Session[]): Promise<void> {
  const mirrorId = (await queue.state(clerkId))?.["auth_user_id"];
  for (const { claims } of gained) {
    expect(claims.app_metadata).not.toMatchObject({ clerk_id: clerkId });
    expect(claims.sub).not.toBe(mirrorId);
  }
}

async function victimComes(facts: { verified?: boolean; email?: string | null; phone?: string } = {}): Promise<void> {
  const event = userEvent("user.updated", { id: clerkId, version: version++, email: victim, ...facts });
  await queue.send(event);
  auth.clock.now = Math.max(auth.clock.now, Date.now() + 1000); // the job is due
  await auth.mirror();
}

const modes = [false, true].flatMap((autoconfirm) => [false, true].map((adopt) => ({ autoconfirm, adopt })));

describe.each(modes)("with $autoconfirm for automatic confirmation and $adopt for AUTH_ADOPT", (mode) => {
  beforeEach(async () => {
    auth = await startNativeAuth(queue, mode);
  });

  it.each(Object.keys(preparations))("an attacker who %s never gets into the account", async (name) => {
    await preparations[name]?.();
    await attack();
    await preparations[name]?.().catch(() => undefined); // again, for what the attack has changed
    await victimComes();
    await expectNothing(await attack());
    for (let step = 0; step < 2; step++) {
      auth.clock.now += 4_201_000; // access tokens and codes have run out
      await auth.mirror();
      await expectNothing(await attack());
      await victimComes();
      await expectNothing(await attack());
    }
    expect(await queue.state(clerkId)).toMatchObject({ auth_user_id: expect.any(String) });
  });

  it("an address that Clerk has not verified is confirmed for nobody", async () => {
    await auth.sign("/signup", { email: victim, password });
    const before = (await holderOf(victim)).email_confirmed_at;
    await victimComes({ verified: false });
    expect((await holderOf(victim)).email_confirmed_at).toEqual(before);
    expect(await holderOf(`${derived}@removed.invalid`)).toMatchObject({ id: derived });
    await expectNothing(await attack());
  });

  it("a user without an address is safe by the number", async () => {
    await keep(auth.sign("/signup", { phone, password }));
    for (const step of [1, 2, 3, 4]) {
      auth.clock.now += step * 1_000_000;
      await victimComes({ email: null, phone });
      await expectNothing(await attack());
    }
  });
});

it("a holder that is taken over is locked, then becomes the mirror and stays locked", async () => {
  auth = await startNativeAuth(queue, { autoconfirm: true, adopt: true });
  await preparations["has a factor, a passkey, a number and another role"]?.();
  const { id } = await holderOf(victim);
  await victimComes();
  const job = () => queue.one("select status, attempts, error from public.job_queue where clerk_id = $1", [clerkId]);
  expect(await job()).toEqual({ status: "PENDING", attempts: 0, error: expect.stringMatching(/^auth_adopting: /) });
  expect(await holderOf(victim)).toMatchObject({ id, role: "authenticated", raw_app_meta_data: {} });
  expect((await sql("select 1 from auth.sessions where user_id = $1", [id])).rowCount).toBe(0);
  expect((await sql("select 1 from auth.mfa_factors union all select 1 from auth.webauthn_credentials")).rowCount).toBe(
    0,
  );
  auth.clock.now += 4_199_000;
  await auth.mirror();
  expect(await queue.state(clerkId)).toMatchObject({ auth_user_id: null, auth_holder_id: id });
  auth.clock.now += 2000;
  await auth.mirror();
  expect(await job()).toMatchObject({ status: "COMPLETED", attempts: 1 });
  expect(await queue.state(clerkId)).toMatchObject({ auth_user_id: id, auth_holder_id: null, auth_locked_at: null });
  const adopted = await holderOf(victim);
  expect(adopted).toMatchObject({ id, raw_app_meta_data: { clerk_id: clerkId, role: "user", banned: false } });
  expect(adopted.banned_until.getUTCFullYear()).toBeGreaterThan(2100);
  expect(adopted.phone).toMatch(/^999\d{11}$/);
});

it("a holder whose address was never confirmed is deleted, and the mirror is made", async () => {
  auth = await startNativeAuth(queue, { autoconfirm: false, adopt: true });
  await auth.sign("/signup", { email: victim, password });
  const { id } = await holderOf(victim);
  await victimComes();
  expect(await holderOf(victim)).toMatchObject({ id: derived });
  expect((await sql("select 1 from auth.users where id = $1", [id])).rowCount).toBe(0);
});

it.each(["comes from single sign-on", "is a super admin"])("a holder that %s is never taken over", async (name) => {
  auth = await startNativeAuth(queue, { autoconfirm: false, adopt: true });
  await preparations[name]?.();
  const before = await holderOf(victim);
  await victimComes();
  const after = (await sql("select * from auth.users where id = $1", [before.id])).rows[0];
  expect(after).toEqual(before);
  expect(await queue.state(clerkId)).toMatchObject({ auth_user_id: derived });
});

it("a mirror of an earlier version, taken over with its sessions, is locked by its next event", async () => {
  auth = await startNativeAuth(queue, { autoconfirm: true, adopt: false });
  await keep(auth.sign("/signup", { email: victim, password }));
  const { id } = await holderOf(victim);
  await victimComes();
  await sql("delete from auth.users where id = $1", [derived]);
  await sql("update clerk_sync.user_state set auth_user_id = $1, auth_finding = null", [id]);
  await sql(`update auth.users set raw_app_meta_data = '{"clerk_id": "user_victim"}' where id = $1`, [id]);
  await victimComes();
  expect(await holderOf(victim)).toMatchObject({ id });
  await expectNothing(await attack());
});

it("numbers that two users swap are swapped in Auth, and a number left behind is free for its next owner", async () => {
  auth = await startNativeAuth(queue, { autoconfirm: false, adopt: false });
  const [one, two] = ["+15555550101", "+15555550102"];
  const send = async (id: string, facts: { phone?: string; email?: string | null }) => {
    await queue.send(userEvent("user.updated", { id, version: version++, email: null, ...facts }));
    auth.clock.now += 60_000;
  };
  const numbers = async () =>
    (await sql("select id, phone from auth.users order by created_at")).rows.map((row) => row.phone);
  await send("user_l", { phone: one });
  await auth.mirror();
  await send("user_r", { phone: two });
  await auth.mirror();
  await send("user_l", { phone: two });
  await send("user_r", { phone: one });
  for (let round = 0; round < 4; round++) {
    await auth.mirror();
    auth.clock.now += 60_000;
  }
  expect(await numbers()).toEqual(["15555550102", "15555550101"]);
  await send("user_l", { email: "l@example.com" });
  await auth.mirror();
  await send("user_new", { phone: two });
  await auth.mirror();
  expect(await numbers()).toEqual([expect.stringMatching(/^999\d{11}$/), "15555550101", "15555550102"]);
});
