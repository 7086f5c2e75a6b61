import type { Instance } from "./read-instance.ts";

/** A row of ours: its Clerk id, and by what it may be found. is_unverified: Clerk never verified the address. */
export type KnownRow = { clerk_id: string; keys: readonly string[]; is_unverified: boolean; is_deleted: boolean };

/** What becomes of rows; the lists hold Clerk ids of rows. */
export type Matching = {
  /** Rows whose Clerk id the instance has. Rows that are marked as deleted count nowhere. */
  known: number;
  pairs: { from: string; to: string }[];
  /** Several users of the instance, or several rows, have the same key. */
  ambiguous: string[];
  /** No user of the instance has the key. */
  unmatched: string[];
  /** The user of the instance has a row of its own here. */
  taken: string[];
  /** Clerk never verified the address of the row. */
  unverified: string[];
};

/** Finds for each row whose Clerk id the instance does not have the user who is the same person there. */
export function matchRows(rows: readonly KnownRow[], { ids, matches }: Instance): Matching {
  const matching: Matching = { known: 0, pairs: [], ambiguous: [], unmatched: [], taken: [], unverified: [] };
  const here = new Set(rows.map(({ clerk_id }) => clerk_id));
  const claims = new Map<string, string[]>();
  for (const { clerk_id, keys, is_unverified, is_deleted } of rows) {
    if (is_deleted) continue;
    if (ids.has(clerk_id)) {
      matching.known += 1;
      continue;
    }
    const found = [...new Set(keys.flatMap((key) => matches.get(key) ?? []))];
    const [to, ...more] = found;
    if (to === undefined) matching.unmatched.push(clerk_id);
    else if (is_unverified) matching.unverified.push(clerk_id);
    else if (more.length > 0) matching.ambiguous.push(clerk_id);
    else if (here.has(to)) matching.taken.push(clerk_id);
    else claims.set(to, [...(claims.get(to) ?? []), clerk_id]);
  }
  for (const [to, claimants] of claims) {
    const [from, ...more] = claimants;
    if (from !== undefined && more.length === 0) matching.pairs.push({ from, to });
    else matching.ambiguous.push(...claimants);
  }
  return matching;
}
