import { createHandleAdmin } from "../admin/handle-admin.ts";
import { composeSlices } from "../compose/processor.ts";
import { composeWork, type System } from "../compose/work.ts";
import { readGatewaySource } from "../http/read-source.ts";
import { createEdgeDrain, type KeepAlive } from "./drain.ts";

/** sync-admin as an Edge Function. */
export function createEdgeAdmin(system: System, keepAlive: KeepAlive): (request: Request) => Promise<Response> {
  const work = composeWork(system);
  const slices = composeSlices(system, work);
  const handle = createHandleAdmin({ ...system, ...work, slices, onQueued: createEdgeDrain(system, work, keepAlive) });
  return (request) => handle(request, readGatewaySource(request.headers));
}
