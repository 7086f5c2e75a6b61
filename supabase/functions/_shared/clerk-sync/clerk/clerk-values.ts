import { z } from "zod";
import { SyncError } from "../errors.ts";
import { isStorable, sanitiseText } from "../sanitise.ts";

/** A text that decides by equality: one that would have to be changed to be stored is none (sanitise.ts). */
export const exact = z.string().refine(isStorable, "has a character that PostgreSQL cannot store");
/** A text that is shown. */
export const text = z.string().transform(sanitiseText).nullish().catch(undefined);
export const id = exact.nullish().catch(undefined);
export const externalId = exact.max(255).nullish().catch(undefined);
export const flag = z.boolean().nullish().catch(undefined);
export const time = z.number().nonnegative().nullish().catch(null);
export const metadata = z.record(z.string(), z.unknown()).nullish().catch(undefined);
export const verification = z
  .object({ status: exact.nullish().catch(null) })
  .nullish()
  .catch(null);

/** Reads an array item by item: one item of an unexpected shape is null, and does not cost the others. */
export function listOf<Item>(item: z.ZodType<Item>) {
  return z.array(item.nullable().catch(null)).nullish().catch(undefined);
}

export function parseAs<Output>(schema: z.ZodType<Output>, value: unknown, what: string): Output {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => `${[what, ...issue.path].join(".")}: ${issue.message}`);
  throw new SyncError("event_malformed", `Not a Clerk event. ${reasons.join("; ")}.`);
}

/** Clerk's docs say milliseconds, its OpenAPI examples show seconds: below 1e11 (year 5138) it is seconds. */
export function toMilliseconds(time: number | null | undefined): number {
  if (time === null || time === undefined) return 0;
  const milliseconds = Math.floor(time < 1e11 ? time * 1000 : time);
  return Number.isSafeInteger(milliseconds) ? milliseconds : 0;
}
