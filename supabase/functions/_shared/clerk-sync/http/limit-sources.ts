/** Tokens left at a time; they come back at a steady rate up to what fits. */
export type Bucket = { tokens: number; at: number };
type Rate = { most: number; perMillisecond: number };

/** What each source may get wrong, in memory; the longest unused is forgotten first. */
type Sources = {
  isExhausted: (source: string) => boolean;
  /** False when there was none left. */
  take: (source: string) => boolean;
};

/** Makes buckets, one a source; `most` are remembered. One that is full again is no different from none. */
export function createSources(rate: Rate, most: number, now: () => number): Sources {
  const buckets = new Map<string, Bucket>();
  return {
    isExhausted: (source) => {
      const bucket = buckets.get(source);
      return bucket !== undefined && refill(bucket, rate, now()).tokens < 1;
    },
    take: (source) => {
      const bucket = buckets.get(source) ?? { tokens: rate.most, at: now() };
      buckets.delete(source);
      buckets.set(source, bucket);
      if (buckets.size > most) buckets.delete(buckets.keys().next().value ?? "");
      return take(bucket, rate, now());
    },
  };
}

export function take(bucket: Bucket, rate: Rate, time: number): boolean {
  refill(bucket, rate, time);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

function refill(bucket: Bucket, { most, perMillisecond }: Rate, time: number): Bucket {
  bucket.tokens = Math.min(most, bucket.tokens + Math.max(0, time - bucket.at) * perMillisecond);
  bucket.at = time;
  return bucket;
}
