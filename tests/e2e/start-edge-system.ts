import { startEdgeSystem } from "../support/edge-system.ts";

/** Starts the Edge Functions under Deno, as on hosted Supabase, and hands their settings to the specs. */
async function start(): Promise<() => Promise<void>> {
  const system = await startEdgeSystem();
  process.env["CLERK_SYNC_SETTINGS"] = JSON.stringify(system.settings);
  return system.stop;
}

export default start;
