import type { RecordFields } from "../config/mapping.ts";
import type { EndedKind, Run, RunStep, WalkedKind } from "./runs-database.ts";

/** Kinds that are walked, in their order: a membership comes after its organization. */
const walkedKinds: readonly WalkedKind[] = ["organization", "membership", "role", "invitation"];
/** Kinds whose ends a compare looks for. Clerk's list keeps invitations until their organization is deleted. */
const endedKinds: readonly EndedKind[] = ["organization", "membership", "role"];

/**
 * A run over users goes through other records as well, where they are stored: after the walk over users it walks each kind
 * (phases read_…), and before it settles a compare looks for what Clerk did not show (phases ended_…). Takes what a step of
 * users says comes next, and says what comes before that.
 */
export function withRecordPhases({ kind, columns, phase }: Run, step: RunStep, records: RecordFields): RunStep {
  if (step.phase === undefined || columns !== null || kind === "sweep") return step;
  if (phase === "walk") return { ...step, ...firstOf(readPhases(records), step) };
  if (step.phase === "settle" && kind === "compare" && !phase.startsWith("ended_")) {
    return { ...step, ...firstOf(endedPhases(records), step) };
  }
  return step;
}

/** What comes after a phase of records. */
export function phaseAfter({ kind, phase }: Run, records: RecordFields): RunStep {
  const phases = phase.startsWith("read_") ? readPhases(records) : endedPhases(records);
  const next = phases[phases.indexOf(phase) + 1];
  if (next !== undefined) return { phase: next, cursor: {} };
  return { phase: kind === "compare" && phase.startsWith("read_") ? "deleted" : "settle", cursor: {} };
}

function firstOf([first]: readonly string[], { cursor }: RunStep): RunStep {
  if (first !== undefined) return { phase: first, cursor: {} };
  return cursor === undefined ? {} : { cursor };
}

function readPhases(records: RecordFields): string[] {
  return walkedKinds.filter((kind) => records.has(kind)).map((kind) => `read_${kind}`);
}

function endedPhases(records: RecordFields): string[] {
  return endedKinds.filter((kind) => records.has(kind)).map((kind) => `ended_${kind}`);
}
