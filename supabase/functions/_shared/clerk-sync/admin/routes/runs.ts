import { z } from "zod";
import { SyncError } from "../../errors.ts";
import type { Difference } from "../../reconcile/runs-database.ts";
import { type SliceDependencies, type SliceResult, walkSlice } from "../../reconcile/walk-run.ts";
import type { AdminCaller } from "../caller.ts";
import {
  type RunRequest,
  type RunSlice,
  runRequestSchema,
  runSchema,
  runSliceSchema,
  runsSchema,
} from "../contract/overview.ts";
import type { AdminDatabase } from "../database.ts";
import { type AdminRoute, defineRoute } from "../route.ts";
import { idParams, pageQuery } from "./jobs.ts";

type RunRouteOptions = {
  database: AdminDatabase;
  /** Null without CLERK_SECRET_KEY. */
  slices: SliceDependencies | null;
  /** Called after a slice may have queued jobs. */
  onQueued: () => void;
};

/** A person waits for the answer, and an Edge Function has 2 s of CPU time for it. */
const sliceMilliseconds = 5000;
const mostSteps = 20;
/** Differences told of one slice; the run's counts are of all. */
const mostDifferences = 1000;

/** Runs of backfill and reconcile: what there was, and one slice after the other. */
export function createRunRoutes(options: RunRouteOptions): AdminRoute[] {
  const { database } = options;
  return [
    defineRoute({
      method: "get",
      path: "/runs",
      summary: "Runs of backfill and reconcile, newest first",
      right: "viewer",
      query: pageQuery.strict(),
      answer: runsSchema,
      handle: ({ query: { cursor, limit } }) => database.runs({ cursor: cursor ?? null, limit }),
    }),
    defineRoute({
      method: "get",
      path: "/runs/{id}",
      summary: "One run",
      right: "viewer",
      params: idParams,
      answer: runSchema,
      handle: async ({ params }) => {
        const run = await database.run(params.id);
        if (run === null) throw new SyncError("not_found", "There is no run with this id; they are kept for 90 days.");
        return run;
      },
    }),
    defineRoute({
      method: "post",
      path: "/runs",
      summary: "Starts a run, or carries the open one of this kind on, for some seconds; goes into the audit",
      right: "operator",
      body: runRequestSchema,
      answer: runSliceSchema,
      handle: ({ body }, caller) => walkSome(body, caller, options),
    }),
    defineRoute({
      method: "post",
      path: "/runs/cancel",
      summary: "Ends the open run; goes into the audit",
      right: "operator",
      answer: z.object({ run: runSchema.nullable() }),
      handle: async (_, caller) => ({ run: await cancelRun(caller, options) }),
    }),
  ];
}

/** Several calls of a run within a minute are one entry of the audit, with their count. */
async function walkSome(request: RunRequest, caller: AdminCaller, options: RunRouteOptions): Promise<RunSlice> {
  const { database, onQueued } = options;
  const slices = needSlices(options);
  const differences: Difference[] = [];
  const onDifferences = (found: readonly Difference[]) => differences.push(...found);
  await database.noteAction({ actor: caller.name, code: "walk_run", subject: request.kind, detail: request });
  const result = await walkSlice(
    { ...slices, watcher: { ...slices.watcher, onDifferences } },
    { ...request, budgetMilliseconds: sliceMilliseconds, mostSteps },
  );
  onQueued();
  if (result.state === "busy") checkSame(result, request);
  return {
    run: result.run === null ? null : await database.run(result.run.id),
    is_over: result.state === "done" || result.state === "none",
    differences: differences.slice(0, mostDifferences).map(toDifference),
  };
}

/** A run of this kind in another runner's hand goes on there: ask again. Any other stands in the way. */
function checkSame({ run }: SliceResult, { kind, applies }: RunRequest): void {
  if (run === null || (run.kind === kind && run.applies === applies)) return;
  const what = `${run.kind}${run.applies ? "" : " (dry run)"}`;
  throw new SyncError("run_active", `Another run is open: ${what}. Wait until it is over, or cancel it.`);
}

async function cancelRun({ name }: AdminCaller, options: RunRouteOptions): Promise<z.infer<typeof runSchema> | null> {
  const { database } = options;
  await database.noteAction({ actor: name, code: "cancel_run", subject: "" });
  const run = await database.cancelRun();
  return run === null ? null : await database.run(run.id);
}

function needSlices({ slices }: RunRouteOptions): SliceDependencies {
  if (slices !== null) return slices;
  throw new SyncError("config_invalid", "Runs read users from Clerk's API: set CLERK_SECRET_KEY.");
}

function toDifference({ clerk_id, kind, fields }: Difference): RunSlice["differences"][number] {
  return { clerk_id, kind, fields: Array.isArray(fields) ? fields : Object.keys(fields) };
}
