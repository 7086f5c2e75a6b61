import { z } from "zod";
import { schemaVersion } from "../../database/schema-version.ts";
import { SyncError } from "../../errors.ts";
import { type AdminCaller, cleanName } from "../caller.ts";
import {
  auditFilterSchema,
  auditPageSchema,
  brakeReleasedSchema,
  type Caller,
  callerSchema,
  circuitResetSchema,
  overviewSchema,
  type Right,
  type SignIn,
  seriesSchema,
  signedInSchema,
  signInSchema,
  windows,
} from "../contract/overview.ts";
import type { AdminDatabase } from "../database.ts";
import { type AdminRoute, defineRoute } from "../route.ts";
import type { AdminTokens } from "../token.ts";
import { pageQuery } from "./jobs.ts";

type SystemRouteOptions = {
  database: AdminDatabase;
  tokens: AdminTokens;
  /** The document of all routes. */
  describe: () => Record<string, unknown>;
  onQueued: () => void;
  readMetrics: () => Promise<Response>;
};

/** Who asks, the whole system at one look, charts, audit, and the controls of brake and circuits. */
export function createSystemRoutes(options: SystemRouteOptions): AdminRoute[] {
  const { database, onQueued, readMetrics } = options;
  return [
    defineRoute({
      method: "post",
      path: "/sign-in",
      summary: "An admin token for eight hours; goes into the audit",
      right: "viewer",
      body: signInSchema,
      answer: signedInSchema,
      handle: ({ body }, caller) => signIn(body, caller, options),
    }),
    defineRoute({
      method: "get",
      path: "/me",
      summary: "Who asks, and with which right",
      right: "viewer",
      answer: callerSchema,
      handle: async (_, { clerkId: _clerkId, ...caller }) => caller,
    }),
    defineRoute({
      method: "get",
      path: "/openapi.json",
      summary: "This document",
      right: "viewer",
      answer: z.record(z.string(), z.unknown()),
      handle: async () => options.describe(),
    }),
    defineRoute({
      method: "get",
      path: "/metrics",
      summary: "What the queue does, in Prometheus' text format",
      right: "viewer",
      media: "text/plain",
      answer: z.string(),
      handle: readMetrics,
    }),
    defineRoute({
      method: "get",
      path: "/overview",
      summary: "Health with its reasons, jobs, circuits, brake, drift, and the open run",
      right: "viewer",
      answer: overviewSchema,
      handle: async () => ({ ...(await database.overview()), version: schemaVersion }),
    }),
    defineRoute({
      method: "get",
      path: "/series",
      summary: "What the charts show",
      right: "viewer",
      query: z.object({ window: z.enum(windows).default("1h") }).strict(),
      answer: seriesSchema,
      handle: ({ query }) => database.series(query.window),
    }),
    defineRoute({
      method: "get",
      path: "/audit",
      summary: "What was refused, odd, or done by hand, newest first",
      right: "viewer",
      query: auditFilterSchema.extend(pageQuery.shape),
      answer: auditPageSchema,
      handle: ({ query: { cursor, limit, ...filter } }) => database.audit(filter, { cursor: cursor ?? null, limit }),
    }),
    defineRoute({
      method: "post",
      path: "/brake/release",
      summary: "Lets the deletions that wait pass, or cancels them, a thousand a call; goes into the audit",
      right: "operator",
      body: z.object({ decision: z.enum(["apply", "cancel"]) }).strict(),
      answer: brakeReleasedSchema,
      handle: async ({ body: { decision } }, { name }) => {
        await database.noteAction({ actor: name, code: "release_brake", subject: decision });
        const answer = await database.releaseBrake(decision, name);
        onQueued();
        return answer;
      },
    }),
    defineRoute({
      method: "post",
      path: "/circuits/{name}/reset",
      summary: "Closes a circuit by hand; goes into the audit",
      right: "operator",
      params: z.object({ name: z.enum(["auth", "clerk"]) }),
      answer: circuitResetSchema,
      handle: async ({ params }, { name }) => {
        await database.noteAction({ actor: name, code: "reset_circuit", subject: params.name });
        const was_open = await database.resetCircuit(params.name);
        onQueued();
        return { was_open };
      },
    }),
  ];
}

/**
 * An admin token with the caller's right or a lesser one. One that was made with an admin token is for a viewer only: no
 * token may live on by making the next. The name of one from a session keeps the Clerk id, so that nobody signs for another.
 */
async function signIn(
  { name, right }: SignIn,
  caller: AdminCaller,
  { tokens, database }: SystemRouteOptions,
): Promise<z.infer<typeof signedInSchema>> {
  const claims = { name: nameOf(cleanName(name), caller), right: checkRight(right ?? caller.right, caller) };
  await database.noteAction({
    actor: caller.name,
    code: "sign_in",
    subject: claims.name,
    detail: { right: claims.right },
  });
  const { token, expiresAt } = await tokens.sign({ ...claims, clerkId: caller.clerkId });
  const signedIn: Caller = { ...claims, by: "admin_token", expires_at: new Date(expiresAt).toISOString() };
  return { token, caller: signedIn };
}

function nameOf(name: string, { clerkId }: AdminCaller): string {
  if (name === "") throw new SyncError("request_invalid", "name: has no character that can be seen.");
  return clerkId === null ? name : `${name} (${clerkId})`;
}

function checkRight(right: Right, caller: AdminCaller): Right {
  if (right === "operator" && caller.right !== "operator") throw rightMissing("A viewer's token is a viewer's.");
  if (caller.by !== "admin_token") return right;
  if (caller.right !== "operator") throw rightMissing("A viewer's token makes no others.");
  if (right === "operator") throw rightMissing("An admin token makes tokens for viewers only.");
  return right;
}

function rightMissing(why: string): SyncError {
  return new SyncError("right_missing", `${why} Sign in with the secret key, or with your own session.`);
}
