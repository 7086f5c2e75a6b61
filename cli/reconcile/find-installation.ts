import { type Config, type Environment, readConfig } from "#core/config/config.ts";
import type { CallFunction } from "#core/database/database.ts";
import { SyncError } from "#core/errors.ts";
import { isOwnServer, type Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { readEnvironment } from "../read-environment-file.ts";
import { findRest } from "../read-target.ts";
import { withPool } from "../with-pool.ts";
import { createProjectCall } from "./call-project.ts";
import type { RunOptions } from "./run-options.ts";

/** What a run goes through. */
export type Installation = {
  call: CallFunction;
  environment: Environment;
  /** Supabase Auth, where users are mirrored; null: there is none. */
  auth: { supabaseUrl: string; secretKey: string } | null;
};

/**
 * Uses an installation: the database at --database-url; else the Supabase project, over its API; else, where there is none,
 * the database of DATABASE_URL. Throws SyncError `usage_invalid`, `config_invalid` and `database_unavailable`.
 */
export async function withInstallation<Result>(
  options: RunOptions,
  io: CommandIo,
  use: (installation: Installation) => Promise<Result>,
): Promise<Result> {
  const environment = await readEnvironment(options, io);
  const { databaseUrl } = options;
  const rest = databaseUrl === undefined ? await findApi(options, environment, io) : null;
  if (rest !== null) {
    const auth = { supabaseUrl: rest.baseUrl, secretKey: rest.secretKey };
    return await use({ call: createProjectCall(rest, io), environment, auth });
  }
  const place =
    databaseUrl === undefined
      ? ({ url: environment["DATABASE_URL"] ?? "", name: "DATABASE_URL" } as const)
      : ({ url: databaseUrl, name: "--database-url" } as const);
  return await withPool(place, io, ({ call }) => use({ call, environment, auth: authOf(readConfig(environment)) }));
}

/** The project's API; null where DATABASE_URL is set and nothing leads to an API. */
async function findApi(options: RunOptions, environment: Environment, io: CommandIo): Promise<Rest | null> {
  const hasDatabase = (environment["DATABASE_URL"]?.trim() ?? "") !== "";
  try {
    const { rest } = await findRest(options, io);
    return hasDatabase && (await isOwnServer(rest, io)) ? null : rest;
  } catch (error) {
    // nothing but the database is named
    if (hasDatabase && options.url === undefined && error instanceof SyncError && error.code === "usage_invalid") {
      return null;
    }
    throw error;
  }
}

function authOf({ supabaseUrl, secretKeys: [secretKey] }: Config): Installation["auth"] {
  return supabaseUrl === null || secretKey === undefined ? null : { supabaseUrl, secretKey };
}
