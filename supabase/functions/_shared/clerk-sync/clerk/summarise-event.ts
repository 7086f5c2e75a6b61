import type { Json } from "../sanitise.ts";

type JsonObject = { [key: string]: Json };

const keptOfEvent = ["type", "object", "timestamp", "instance_id"];
const keptOfData = ["id", "object", "deleted", "created_at", "updated_at"];

/**
 * What a job keeps of the event that brought it: kind, ids and times. What is applied stands beside it, mapped; the
 * rest (all addresses, metadata, the sender's IP) is nobody's to keep, and most of what a job would weigh.
 */
export function summariseEvent(event: Json): JsonObject {
  return { ...pick(event, keptOfEvent), data: pick(isObject(event) ? event["data"] : null, keptOfData) };
}

function pick(value: Json | undefined, keys: readonly string[]): JsonObject {
  if (!isObject(value)) return {};
  const entries = keys.map((key) => [key, value[key]] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, Json] => isScalar(entry[1])));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value of another shape than Clerk's is left out, it could hold anything. */
function isScalar(value: Json | undefined): boolean {
  return value !== undefined && value !== null && typeof value !== "object";
}
