import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export type DenoFunction = { url: string; output: () => string; stop: () => Promise<void> };

/**
 * Runs an Edge Function of supabase/functions unchanged under Deno, with the permissions it needs and no others: to
 * listen, and to call Supabase, Clerk and whom alerts go to where `env` says they are. It reads its whole environment at once, as it does
 * on Supabase, which takes --allow-env without a list; so that environment holds `env` and what Deno itself needs.
 */
export async function startDenoFunction(name: string, env: Record<string, string>): Promise<DenoFunction> {
  const folder = `${root}supabase/functions/${name}`;
  const names = ["SUPABASE_URL", "CLERK_API_URL", "ALERT_WEBHOOK_URL", "ALERT_SLACK_URL"];
  const called = names.map((variable) => env[variable]).filter((url) => url !== undefined);
  const port = await findFreePort();
  const hosts = [`127.0.0.1:${port}`, ...called.map((url) => new URL(url).host)];
  return startDenoProgram(`${folder}/index.ts`, {
    config: `${folder}/deno.json`,
    permissions: [`--allow-net=${hosts.join()}`, "--allow-env"],
    env,
    port,
  });
}

type DenoProgram = {
  /** The deno.json that says what its imports are. */
  config: string;
  permissions: readonly string[];
  env: Record<string, string>;
  /** A free one when it is not given. */
  port?: number;
};

/** Runs a program that serves by Deno.serve, with these permissions and no others; answers when it listens. */
export async function startDenoProgram(
  file: string,
  { config, permissions, env, port: given }: DenoProgram,
): Promise<DenoFunction> {
  const port = given ?? (await findFreePort());
  const child = spawn(
    `${root}node_modules/.bin/deno`,
    ["run", "--no-prompt", "--node-modules-dir=manual", ...permissions, `--config=${config}`, file],
    {
      env: {
        PATH: process.env["PATH"],
        DENO_DIR: `${root}.test-results/deno`,
        DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}`,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const chunks: string[] = [];
  const closed = once(child, "close");
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        chunks.push(text);
        if (text.includes("Listening on")) resolve();
      });
    }
    child.once("close", () => reject(new Error(`deno ended:\n${chunks.join("")}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => chunks.join(""),
    stop: async () => {
      child.kill("SIGTERM");
      await closed;
    },
  };
}
