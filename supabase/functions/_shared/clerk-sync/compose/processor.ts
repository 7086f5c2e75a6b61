import { recordFieldsOf } from "../config/mapping.ts";
import type { Supervision } from "../health/supervise-sync.ts";
import { createCheckCaller } from "../http/check-caller.ts";
import { createSlices } from "../reconcile/create-slices.ts";
import type { SliceDependencies } from "../reconcile/walk-run.ts";
import type { ProcessorDependencies } from "../worker/handle-processor.ts";
import type { System, Work } from "./work.ts";

/** What walks runs of backfill and reconcile; null without CLERK_SECRET_KEY. */
export function composeSlices({ config, mapping, call }: System, { auth, fields }: Work): SliceDependencies | null {
  return createSlices(config, call, fields, { records: recordFieldsOf(mapping), ...(auth === null ? {} : { auth }) });
}

type ProcessorHost = { supervision: Supervision; budgetMilliseconds: number };

/** The processor, and with the same parts the loop of a Node server. */
export function composeProcessor(
  { config, secretKeys }: System,
  work: Work & { slices: SliceDependencies | null },
  host: ProcessorHost,
): ProcessorDependencies & ProcessorHost {
  const keys = config.processorSecret === null ? secretKeys : [...secretKeys, config.processorSecret];
  return { ...work, ...host, retentionDays: config.retentionDays, checkCaller: createCheckCaller(keys) };
}
