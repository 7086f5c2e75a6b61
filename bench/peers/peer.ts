import type { NewJob } from "#core/database/database.ts";

/** A peer on a database. What it does not do is null. */
export type OpenPeer = {
  /** Takes one event; it is durable when this resolves. */
  take: ((job: NewJob) => Promise<unknown>) | null;
  /** Queues many at once, in whatever way is quickest; not measured. */
  fill: ((jobs: readonly NewJob[]) => Promise<unknown>) | null;
  /** Works with so many workers until so many jobs are rows of users; answers the seconds. */
  drain: ((workers: number, count: number) => Promise<number>) | null;
  /** Works with one worker until nothing is due; answers how many jobs it did. */
  drainDue: (() => Promise<number>) | null;
  /** Works from now on, as one would let it in production. */
  work: (() => Promise<unknown>) | null;
  close: () => Promise<unknown>;
};

export type Peer = {
  name: string;
  /** What it is and what was set, as the page of results tells it. */
  settings: string;
  /** `url` is of a migrated database of its own; `connections`: for events, where it lets us choose. */
  open: (url: string, connections: number) => Promise<OpenPeer>;
};

/** Those that only keep an eye on what the machine can do. */
export const noPeer: OpenPeer = {
  take: null,
  fill: null,
  drain: null,
  drainDue: null,
  work: null,
  close: async () => undefined,
};

/** Seconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Runs the same work so many times at once. */
export async function atOnce(count: number, work: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

/** Writes the items in slices, so many workers at once; answers the seconds. */
export function writeSlices<Item>(
  items: readonly Item[],
  { size, workers }: { size: number; workers: number },
  write: (slice: Item[]) => Promise<unknown>,
): Promise<number> {
  const left = slices(items, size);
  return timed(() =>
    atOnce(workers, async () => {
      for (const slice of left) await write(slice);
    }),
  );
}

export function* slices<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
