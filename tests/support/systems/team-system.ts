import { Hono } from "hono";
import type pg from "pg";
import { readConfig } from "#core/config/config.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createRestStandIn } from "../../../local/supabase/rest-api.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { plainConfiguration } from "../../../mapping/expand-configuration.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { readMapping } from "../../../mapping/read-mapping.ts";
import { formatRuntimeMapping } from "../../../mapping/saved-mapping.ts";
import { applyPrelude } from "../../../server/migrate.ts";
import { migrateDatabase } from "../../../server/migrate-database.ts";
import { startServer } from "../../../server/start-server.ts";
import { withConnection } from "../../../server/with-connection.ts";
import {
  authorizedParty,
  type ClerkInstance,
  clerkEnvironment,
  planClerkInstance,
  startClerkInstance,
} from "../clerk/clerk-instance.ts";
import { createEmptyDatabase } from "../database/test-database.ts";
import type { EdgeHost } from "../edge/edge-host.ts";
import { configureUsers, type UsersFile } from "../mapping/configure-users.ts";
import { type Served, serveApp } from "../processes/serve-app.ts";
import type { Target } from "../webhook/post-event.ts";

/** The database of a team and its Clerk instance; nothing works on them yet. */
export type TeamProject = {
  pool: pg.Pool;
  databaseUrl: string;
  clerk: ClerkInstance;
  clerkEnvironment: Record<string, string>;
  stop: () => Promise<void>;
};

/** Where a sync runs: webhook and processor, and ensure-user, which alone has the key of Clerk's API. */
export type Home = Target & { ensureUrl: string; secretKey: string; stop: () => Promise<void> };

/** Starts a sync over a project that was migrated with this mapping. */
export type StartHome = (project: TeamProject, migrated: Migrated) => Promise<Home>;

export type Migrated = { configuration: Configuration; mapping: Mapping };

const secretKey = "sb_secret_test_0123456789";
const webhookSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl";

/** Makes the tables of a team in a database of its own, as they were before the sync. */
export async function createTeamProject(ddl: string): Promise<TeamProject> {
  const database = await createEmptyDatabase();
  await withConnection(database.url, async (client) => {
    await applyPrelude(client, null);
    await client.query(ddl);
  });
  const place = await planClerkInstance();
  const clerk = await startClerkInstance(place);
  return {
    pool: database.pool,
    databaseUrl: database.url,
    clerk,
    clerkEnvironment: clerkEnvironment(place),
    stop: async () => {
      await clerk.stop();
      await database.drop();
    },
  };
}

/** What `clerk-sync migrate` does with the file of a team. */
export async function migrateTeam({ databaseUrl }: TeamProject, file: UsersFile): Promise<Migrated> {
  const configuration = { ...plainConfiguration, ...configureUsers(file) };
  await migrateDatabase(databaseUrl, { configuration, force: true });
  return withConnection(databaseUrl, async (client) => {
    const { mapping } = await readMapping(client, configuration);
    return { configuration, mapping };
  });
}

/** The Node server as `clerk-sync serve` starts it; beside it one that only takes events and calls of ensure-user. */
export const startNodeHome: StartHome = async (project, { configuration }) => {
  const start = async (env: Record<string, string>, only?: "webhook") => {
    const own = { DATABASE_URL: project.databaseUrl, PORT: String(await findFreePort()), AUTH_MIRROR: "off" };
    const config = readConfig({ ...own, SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }), ...env });
    return startServer({ config, configuration, only });
  };
  const server = await start({ CLERK_WEBHOOK_SECRET: webhookSecret });
  const reader = await start(project.clerkEnvironment, "webhook");
  return {
    url: server.url,
    ensureUrl: reader.url,
    webhookSecret,
    secretKey,
    stop: async () => {
      await reader.stop();
      await server.stop();
    },
  };
};

/** The Edge Functions in a project of Supabase, deployed with the mapping.json of this mapping. */
export function startEdgeHome(host: EdgeHost): StartHome {
  return async (project, { mapping }) => {
    const supabase = await serveRest(project.pool);
    const env = {
      SUPABASE_URL: supabase.url,
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }),
      AUTH_MIRROR: "off",
    };
    const url = await host.deploy(formatRuntimeMapping(mapping), {
      "clerk-webhook": { ...env, CLERK_WEBHOOK_SECRET: webhookSecret },
      "user-job-processor": env,
      "ensure-user": { ...env, ...project.clerkEnvironment },
      "sync-health": env,
    });
    return { url, ensureUrl: url, webhookSecret, secretKey, stop: supabase.stop };
  };
}

/** What functions call of Supabase. They work on in the background: it ends when no request is under way. */
async function serveRest(pool: pg.Pool): Promise<Served> {
  const underWay = new Set<Promise<void>>();
  let isStopping = false;
  const app = new Hono()
    .use(async (context, next) => {
      if (isStopping) return context.body(null, 503);
      const answered = next();
      underWay.add(answered);
      return answered.finally(() => underWay.delete(answered));
    })
    .route("/rest/v1", createRestStandIn({ pool, secretKey }));
  const { url, stop } = await serveApp(app);
  return {
    url,
    stop: async () => {
      isStopping = true;
      await Promise.allSettled(underWay);
      await stop();
    },
  };
}

/** The session token of a user of the project's Clerk instance. */
export function signIn({ clerk }: TeamProject, clerkId: string): Promise<string> {
  return clerk.tokens.sign({ sub: clerkId, azp: authorizedParty });
}
