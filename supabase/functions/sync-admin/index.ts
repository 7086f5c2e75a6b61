// What operators see and do: jobs, users, runs, brake, circuits, audit. Everything else is in ../_shared/clerk-sync.
import { createEdgeAdmin } from "../_shared/clerk-sync/edge/admin.ts";
import { setUp } from "../_shared/clerk-sync/edge/setup.ts";
import mapping from "../_shared/clerk-sync/mapping.json" with { type: "json" };

declare const EdgeRuntime: { waitUntil: (work: Promise<unknown>) => void } | undefined;

const system = await setUp("sync-admin", Deno.env.toObject(), mapping);

Deno.serve(
  createEdgeAdmin(system, (work) => (typeof EdgeRuntime === "undefined" ? undefined : EdgeRuntime.waitUntil(work))),
);
