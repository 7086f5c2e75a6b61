import type { JobFilter } from "#core/admin/contract/jobs.ts";
import type { Client } from "./client.ts";

export type JobVerb = "retry" | "cancel";

export type ChangeMatching = {
  action: JobVerb;
  filter: JobFilter;
  /** Aborting it stops after the slice under way. */
  signal: AbortSignal;
  /** How many jobs were changed so far. */
  onProgress: (changed: number) => void;
  /** Unix milliseconds: jobs that change after it are left alone. */
  now?: number;
};

/**
 * Retries or cancels all jobs that match, in slices, until none is left or it is stopped; returns how many changed.
 * Throws ApiError; what was changed until then stays.
 */
export async function changeMatching(client: Client, options: ChangeMatching): Promise<number> {
  const { action, filter, signal, onProgress, now = Date.now() } = options;
  const slice = { filter, operation: crypto.randomUUID(), before: new Date(now).toISOString() };
  let changed = 0;
  while (!signal.aborted) {
    const answer = await client.post<{ changed: number }>(`/jobs/${action}`, slice);
    if (answer.changed === 0) break;
    changed += answer.changed;
    onProgress(changed);
  }
  return changed;
}

/** The statuses an action can change. */
const changeable: Readonly<Record<JobVerb, readonly string[]>> = {
  retry: ["FAILED", "DEAD", "CANCELLED"],
  cancel: ["PENDING", "PROCESSING", "FAILED", "DEAD"],
};

/** The ids of those jobs that the action would change. */
export function idsFor(action: JobVerb, jobs: readonly { id: string; status: string }[]): string[] {
  return jobs.filter(({ status }) => changeable[action].includes(status)).map(({ id }) => id);
}

/** A call takes at most so many ids. Source: jobActionSchema. */
const mostIds = 500;

/** Retries or cancels these jobs, in as many calls as it takes; returns how many changed. Throws ApiError; what was changed until then stays. */
export async function changeThese(client: Client, action: JobVerb, ids: readonly string[]): Promise<number> {
  let changed = 0;
  for (let from = 0; from < ids.length; from += mostIds) {
    const slice = { ids: ids.slice(from, from + mostIds) };
    changed += (await client.post<{ changed: number }>(`/jobs/${action}`, slice)).changed;
  }
  return changed;
}
