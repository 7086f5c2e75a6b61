import type { Config } from "#core/config/config.ts";
import { createDatabase } from "#core/database/database.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { SyncError } from "#core/errors.ts";
import { logger } from "#core/logger.ts";
import type { Configuration } from "../mapping/configuration.ts";
import { createCallFunction } from "./call-function.ts";
import { compose, type Half } from "./compose.ts";
import { openDatabase } from "./database.ts";
import { checkPort, listen, urlOf } from "./listen.ts";
import { startInSteps } from "./start-in-steps.ts";

export type ServerOptions = {
  /** What readConfig() made of the environment. DATABASE_URL is needed. */
  config: Config;
  /** `webhook`: takes events only; `worker`: works through the queue only. Both when it is not given. */
  only?: "webhook" | "worker" | undefined;
  /** What the file maps: a database that was migrated with another mapping is refused. Without it any is taken. */
  configuration?: Configuration | undefined;
  /** Brings the database to this version first; else a database of another version is refused. */
  migrate?: boolean;
  /** Unix milliseconds. */
  now?: () => number;
};

export type RunningServer = {
  /** Where it is reached from this machine. */
  url: string;
  /** Finishes what is in flight, stops the worker, closes the connections, frees the port. */
  stop: () => Promise<void>;
};

/**
 * Starts the server on a database of the user's: webhook, worker and `GET /health`. Any number of them may share one
 * database. Everything comes from the configuration: what is not set is off, nothing is made up or written down.
 * Logs once startLogging() was called.
 * Throws SyncError `config_invalid`, `port_in_use`, `database_unavailable`, `schema_newer`, `schema_outdated`, `mapping_outdated` and, when
 * migrating, `migration_failed` or `migration_refused`. Whatever fails, nothing is left running.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, only = null, now = Date.now } = options;
  const { databaseUrl, auth } = readNeeds(config, only);
  return startInSteps(async (addUndo) => {
    await checkPort(config);
    const database = await openDatabase(databaseUrl, options.migrate === true, options.configuration);
    addUndo(database.close);
    const mapping = await createDatabase(createCallFunction(database.pool)).mapping();
    const { webhookSecrets, secretKeys } = config;
    const { app, worker, recorder } = compose(config, {
      pool: database.pool,
      mapping,
      webhookSecrets,
      secretKeys,
      auth,
      standIns: {},
      only,
      now,
    });
    if (recorder !== null) addUndo(recorder.close);
    addUndo(await listen(app, config));
    if (worker !== null) {
      worker.start();
      addUndo(worker.stop);
    }
    const url = urlOf(config);
    report(url, options);
    return { url };
  });
}

type Needs = { databaseUrl: string; auth: { supabaseUrl: string; secretKey: string } | null };

/** What a start cannot do without, all problems at once. Only who works through the queue mirrors users. */
function readNeeds(config: Config, only: Half | null): Needs {
  const { databaseUrl, supabaseUrl } = config;
  const [secretKey] = config.secretKeys;
  const mirrors = config.authMirror && only !== "webhook";
  const auth = mirrors && supabaseUrl !== null && secretKey !== undefined ? { supabaseUrl, secretKey } : null;
  const problems = [databaseUrl === null ? noDatabase : null, mirrors && auth === null ? noAuth : null].filter(
    (problem) => problem !== null,
  );
  if (databaseUrl !== null && problems.length === 0) return { databaseUrl, auth };
  throw new SyncError(
    "config_invalid",
    `The environment has ${problems.length} problem${problems.length === 1 ? "" : "s"}:\n${problems.join("\n")}`,
  );
}

const noDatabase =
  "  DATABASE_URL is not set. Set it to your PostgreSQL, postgres://…; for development, clerk-sync serve --local brings one, with stand-ins of Supabase.";
const noAuth =
  "  AUTH_MIRROR is on and needs SUPABASE_URL and SUPABASE_SECRET_KEY. Set them, or AUTH_MIRROR=off: users go into their table only.";

function report(url: string, { config, only }: ServerOptions): void {
  const takesEvents = only !== "worker";
  const worksOnQueue = only !== "webhook";
  const isOff = takesEvents && config.webhookSecrets.length === 0;
  if (isOff) logger.warn("webhook.off", { reason: "CLERK_WEBHOOK_SECRET is not set; every event is answered 503" });
  logger.info("server.started", {
    url,
    webhook: takesEvents && !isOff,
    worker: worksOnQueue,
    auth_mirror: worksOnQueue && config.authMirror,
    clerk_api: worksOnQueue && config.clerkSecretKey !== null,
    schema_version: schemaVersion,
  });
}
