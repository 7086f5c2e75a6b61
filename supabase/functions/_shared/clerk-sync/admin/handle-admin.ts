import type { ReadUser } from "../clerk/read-user.ts";
import { createVerifySessionToken } from "../clerk/verify-session-token.ts";
import type { Config } from "../config/config.ts";
import type { UserFields } from "../config/mapping.ts";
import { type CallFunction, createDatabase } from "../database/database.ts";
import { createAllowOrigin } from "../http/allow-origin.ts";
import { createCheckCaller } from "../http/check-caller.ts";
import { createMetricsResponse } from "../metrics/metrics-response.ts";
import type { AuthAdmin } from "../mirror/auth-admin.ts";
import { createRunsDatabase } from "../reconcile/runs-database.ts";
import type { SliceDependencies } from "../reconcile/walk-run.ts";
import { createAdminApp, describeAdmin } from "./app.ts";
import { createIdentifyCaller } from "./caller.ts";
import { createAdminDatabase } from "./database.ts";
import { explainMissingObjects } from "./explain-missing-objects.ts";
import { createSignInLimit } from "./limit-sign-in.ts";
import type { AdminRoute } from "./route.ts";
import { createJobRoutes } from "./routes/jobs.ts";
import { createRunRoutes } from "./routes/runs.ts";
import { createSystemRoutes } from "./routes/system.ts";
import { createUserRoutes } from "./routes/users.ts";
import { createAdminTokens } from "./token.ts";

export type AdminOptions = {
  config: Pick<Config, "adminRoles" | "adminOrigins" | "sessionIssuer" | "authorizedParties" | "maxAttempts">;
  secretKeys: readonly string[];
  call: CallFunction;
  /** Null without CLERK_SECRET_KEY. */
  readUser: ReadUser | null;
  /** Null: users are not mirrored. */
  auth: AuthAdmin | null;
  /** Null without CLERK_SECRET_KEY. */
  slices: SliceDependencies | null;
  /** What is stored of a user, and compared: fieldsOf the mapping. */
  fields: UserFields;
  /** Called after work for a worker was stored. */
  onQueued: () => void;
  /** Unix milliseconds. */
  now: () => number;
};

/** Answers a request to sync-admin, from any page that may ask; source is the address it came from. */
export type HandleAdmin = (request: Request, source: string) => Promise<Response>;

/** Makes sync-admin: the same on Node and as an Edge Function. */
export function createHandleAdmin(options: AdminOptions): HandleAdmin {
  const { app } = createAdmin(options);
  const allowOrigin = createAllowOrigin(options.config.adminOrigins, "GET, POST");
  return async (request, source) => {
    const headers = allowOrigin(request);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
    const response = await app.fetch(request, { source });
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  };
}

/** The routes and the app they are under; for tests, and for whoever writes the document. */
export function createAdmin(options: AdminOptions) {
  const { call, secretKeys, now } = options;
  const database = createAdminDatabase(explainMissingObjects(call));
  const tokens = createAdminTokens({ secretKeys, now });
  const routes: AdminRoute[] = [
    ...createSystemRoutes({
      ...options,
      database,
      tokens,
      describe: () => describeAdmin(app),
      readMetrics: createMetricsResponse(call),
    }),
    ...createJobRoutes({ ...options, database }),
    ...createUserRoutes({
      ...options,
      database,
      places: { clerk: options.readUser, auth: options.auth },
      compareUsers: createRunsDatabase(call, options.config.maxAttempts).compareUsers,
      requestRefresh: createDatabase(call).requestRefresh,
    }),
    ...createRunRoutes({ ...options, database }),
  ];
  const identifyCaller = createIdentifyCaller({
    checkCaller: createCheckCaller(secretKeys),
    tokens,
    sessions: createSessions(options),
  });
  const app = createAdminApp({ routes, identifyCaller, refuseSignIn: createSignInLimit({ database, now }) });
  return { app, routes };
}

/** Session tokens are accepted when an issuer and at least one role are set, of the pages that may call. */
function createSessions({ config, call, now }: AdminOptions) {
  const { adminRoles, adminOrigins, sessionIssuer, authorizedParties } = config;
  if (sessionIssuer === null || adminRoles.operator.length + adminRoles.viewer.length === 0) return null;
  return {
    verifySessionToken: createVerifySessionToken({
      issuer: sessionIssuer,
      authorizedParties: authorizedParties.length === 0 ? [] : [...authorizedParties, ...adminOrigins],
      now,
    }),
    readRole: createAdminDatabase(call).role,
    operatorRoles: adminRoles.operator,
    viewerRoles: adminRoles.viewer,
  };
}
