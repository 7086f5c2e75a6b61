import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../../local/postgres/embedded-postgres.ts";
import type { UsageApi } from "./answer-usage.ts";
import { webhookSecret } from "./payload.ts";
import { type Program, startProgram } from "./program.ts";

export type Served<Asked extends UsageApi> = Program<Asked> & { port: number };

const program = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const preload = new URL("./answer-usage.ts", import.meta.url).href;
const startMilliseconds = 15_000;

/**
 * `clerk-sync serve` as its users run it, on a migrated database; without the mirror, and with no limit of events.
 * `folder`: where it is started.
 */
export async function serveProduct(
  databaseUrl: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  folder?: string,
): Promise<Served<UsageApi>> {
  const port = await findFreePort();
  const served = startProgram<UsageApi>(program, ["serve", ...args], {
    execArgv: ["--import", preload],
    ...(folder === undefined ? {} : { cwd: folder }),
    env: {
      DATABASE_URL: databaseUrl,
      PORT: String(port),
      CLERK_WEBHOOK_SECRET: webhookSecret,
      AUTH_MIRROR: "off",
      WEBHOOK_MAX_PER_SECOND: "1000000",
      ...env,
    },
  });
  await waitUntilServed(port, served);
  return { ...served, port };
}

async function waitUntilServed(port: number, served: Program<UsageApi>): Promise<void> {
  for (let waited = 0; waited < startMilliseconds; waited += 50) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    if (answer?.ok) return;
    await delay(50);
  }
  await served.stop();
  throw new Error("clerk-sync serve did not start");
}
