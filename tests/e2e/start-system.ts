import { clerkEnvironment, planClerkInstance } from "../support/clerk/clerk-instance.ts";
import { createServerFolder, startServerProcess } from "../support/processes/server-process.ts";

/**
 * Starts the system as npm start does and hands its settings to the specs. With CLERK_SYNC_SETTINGS set to
 * the JSON of a local.json, the specs run against that system instead.
 */
export async function startSystem(env: Record<string, string> = {}): Promise<() => Promise<void>> {
  if (process.env["CLERK_SYNC_SETTINGS"]) return async () => undefined;
  const folder = await createServerFolder();
  const clerk = await planClerkInstance();
  process.env["CLERK_SYNC_INSTANCE"] = JSON.stringify(clerk);
  const server = await startServerProcess(folder.path, {
    PORT: String(folder.port),
    ...clerkEnvironment(clerk),
    ...env,
  });
  process.env["CLERK_SYNC_SETTINGS"] = JSON.stringify(server.settings);
  return async () => {
    await server.end("SIGTERM");
    await folder.remove();
  };
}

export default () => startSystem();
