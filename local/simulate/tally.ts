import type { Outcome } from "./deliver.ts";

/** What became of the deliveries. */
export type Tally = {
  /** 1 for each event that was accepted at least once. */
  acceptedEvents: Uint8Array;
  /** How many deliveries ended with which status. */
  statuses: Record<string, number>;
  /** The first refusals, for a person to read. */
  samples: { status: string; text: string }[];
  /** Refusals since the last delivery that ended otherwise: what the sender did wrong, not what is down. */
  refusedInARow: number;
};

const maxSamples = 3;
const refusalsToBelieve = 20;
/** 4xx other than "slow down" and "too slow". */
const refusal = /^4(?!08|29)\d\d$/;

export function createTally(events: number): Tally {
  return { acceptedEvents: new Uint8Array(events), statuses: {}, samples: [], refusedInARow: 0 };
}

/** Counts how a delivery ended. */
export function recordOutcome(tally: Tally, event: number, outcome: Outcome): void {
  tally.statuses[outcome.status] = (tally.statuses[outcome.status] ?? 0) + 1;
  tally.refusedInARow = refusal.test(outcome.status) ? tally.refusedInARow + 1 : 0;
  if (outcome.accepted) tally.acceptedEvents[event] = 1;
  else if (tally.samples.length < maxSamples) tally.samples.push({ status: outcome.status, text: outcome.text });
}

/** True when retrying is pointless, as with a wrong secret: the last 20 deliveries were refused to the end. */
export function hasRefusedAll(tally: Tally): boolean {
  return tally.refusedInARow >= refusalsToBelieve;
}

export function countAccepted(tally: Tally): number {
  return tally.acceptedEvents.reduce((sum, flag) => sum + flag, 0);
}
