import { createHandleAdmin } from "../admin/handle-admin.ts";
import { readGatewaySource } from "../http/read-source.ts";
import { createSlices } from "../reconcile/create-slices.ts";
import { createBackgroundDrain } from "../worker/background-drain.ts";
import { processQueue } from "../worker/process-queue.ts";
import type { EdgeSetup } from "./setup.ts";
import { createEdgeWork } from "./work.ts";

/** sync-admin as an Edge Function; keepAlive lets the queue be worked through after the answer (EdgeRuntime.waitUntil). */
export function createEdgeAdmin(
  setup: EdgeSetup,
  keepAlive: (work: Promise<void>) => unknown,
): (request: Request) => Promise<Response> {
  const { config, call } = setup;
  const work = createEdgeWork(setup);
  const handle = createHandleAdmin({
    config,
    secretKeys: config.secretKeys,
    call,
    readUser: work.readUser,
    auth: work.auth,
    slices: createSlices(config, call),
    onQueued: createBackgroundDrain({ drain: () => processQueue(work, { budgetMilliseconds: 20_000 }), keepAlive }),
    now: Date.now,
  });
  return (request) => handle(request, readGatewaySource(request.headers));
}
