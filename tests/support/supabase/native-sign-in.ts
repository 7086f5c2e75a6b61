import { Hono } from "hono";
import { createDatabase } from "#core/database/database.ts";
import { adoptionOf } from "#core/mirror/adopt-holder.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createAuthStandIn } from "../../../local/supabase/auth/routes.ts";
import type { Message } from "../../../local/supabase/auth/sign-in-routes.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { rootFields } from "../clerk/root-fields.ts";
import type { Queue } from "../database/queue.ts";
import { serveApp } from "../processes/serve-app.ts";
import { secretKey } from "./call-auth-stand-in.ts";

/** What a native sign-in answers; null: it was refused. */
export type Session = {
  claims: { sub: string; role: string; app_metadata: Record<string, unknown> };
  access_token: string;
  refresh_token: string;
};

export type NativeOptions = { autoconfirm: boolean; adopt: boolean };

/** Supabase Auth over HTTP with its public routes, and the mirror that writes to it. */
export async function startNativeAuth(queue: Queue, { autoconfirm, adopt }: NativeOptions) {
  const messages: Message[] = [];
  const signIn = {
    mailerAutoconfirm: autoconfirm,
    smsAutoconfirm: autoconfirm,
    onMessage: (one: Message) => messages.push(one),
  };
  const app = new Hono().route("/auth/v1", createAuthStandIn({ pool: queue.pool, secretKey, signIn }));
  const server = await serveApp(app);
  const clock = { now: Date.now() };
  const callNow = createCallFunction(queue.pool);
  const database = createDatabase((name, args) =>
    callNow(name, name === "clerk_sync_is_super_admin" ? args : { ...args, p_now: new Date(clock.now) }),
  );
  const now = () => clock.now;
  const adoption = adoptionOf({ adoptsWithTokenSeconds: adopt ? 3600 : null }, database, now);
  const admin = createAuthAdmin({ supabaseUrl: server.url, secretKey });
  const mirrorUser = createMirrorUser(admin, adoption);
  const call = async (method: string, path: string, body: unknown, token?: string) => {
    const response = await fetch(`${server.url}/auth/v1${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    admin,
    clock,
    messages,
    call,
    /** The session that a public route hands out, if it does. */
    sign: async (path: string, body: unknown): Promise<Session | null> => {
      const { body: answer } = await call("POST", path, body);
      if (typeof answer["access_token"] !== "string") return null;
      const claims = JSON.parse(Buffer.from(answer["access_token"].split(".")[1] ?? "", "base64url").toString());
      return { ...(answer as Omit<Session, "claims">), claims };
    },
    /** Works through what is due. */
    mirror: () =>
      processQueue(
        { database, mirrorUser, readUser: null, now, fields: rootFields, deleteBrake: null },
        { budgetMilliseconds: 10_000 },
      ),
    stop: server.stop,
  };
}

export type NativeAuth = Awaited<ReturnType<typeof startNativeAuth>>;
