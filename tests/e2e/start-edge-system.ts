import { clerkEnvironment, planClerkInstance } from "../support/clerk/clerk-instance.ts";
import { startEdgeSystem } from "../support/systems/edge-system.ts";

/** Starts the Edge Functions under Deno, as on hosted Supabase, and hands their settings to the specs. */
async function start(): Promise<() => Promise<void>> {
  const clerk = await planClerkInstance();
  process.env["CLERK_SYNC_INSTANCE"] = JSON.stringify(clerk);
  const system = await startEdgeSystem(clerkEnvironment(clerk));
  process.env["CLERK_SYNC_SETTINGS"] = JSON.stringify(system.settings);
  return system.stop;
}

export default start;
