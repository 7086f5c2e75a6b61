import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isAlive } from "../../../local/postgres/embedded-postgres.ts";
import { createServerFolder, spawnProgram, waitForOutput } from "../../support/processes/server-process.ts";
import { waitFor } from "../../support/processes/wait-for.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

let folder: Awaited<ReturnType<typeof createServerFolder>>;
beforeEach(async () => {
  folder = await createServerFolder();
});
afterEach(() => folder.remove());

/** `npm start` with the script of this package, in a folder of its own. */
async function npmStart() {
  const { scripts } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  const start = scripts.start.replaceAll("local/main.ts", path.join(root, "local/main.ts"));
  await writeFile(path.join(folder.path, "package.json"), JSON.stringify({ private: true, scripts: { start } }));
  const npm = spawnProgram(["npm", "start"], folder.path, {
    PORT: String(folder.port),
    npm_config_update_notifier: "false",
    npm_config_cache: path.join(folder.path, "cache"),
  });
  await waitForOutput(npm, "clerk-supabase-sync is running");
  const readPid = async (...file: string[]) =>
    Number((await readFile(path.join(folder.path, ".clerk-sync", ...file), "utf8")).split("\n")[0]);
  return { npm, server: await readPid("server.pid"), postgres: await readPid("postgres", "postmaster.pid") };
}

it.each(["SIGTERM", "SIGINT", "SIGKILL"] as const)(
  "%s that reaches npm only ends npm, server and PostgreSQL",
  async (signal) => {
    const { npm, server, postgres } = await npmStart();
    try {
      npm.process.kill(signal);
      await waitFor("the end of both", async () => !isAlive(server) && !isAlive(postgres), 25);
    } finally {
      if (isAlive(server)) process.kill(server, "SIGTERM");
    }
    await expect(fetch(`http://127.0.0.1:${folder.port}/health/live`)).rejects.toThrow();
  },
);
