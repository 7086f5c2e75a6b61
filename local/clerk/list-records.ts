import type { Context } from "hono";
import { answer } from "./error-response.ts";
import type { ClerkApiItem } from "./item-store.ts";
import { invalid, type Refusal, readRange, refuse } from "./read-range.ts";

type Listing<Item> = {
  /** The oldest first. */
  items: readonly Item[];
  /** What one may order by, besides created_at. */
  orders?: readonly (keyof Item & string)[];
  /** Filters by ids: the parameter, and the id of an item. */
  ids?: { readonly [parameter: string]: (item: Item) => string };
  /** Other filters. */
  isWanted?: (item: Item) => boolean;
  /** How an item looks in the answer. */
  show?: (item: Item) => unknown;
};

const mostIds = 100;

/**
 * A list as Clerk's OpenAPI description (2026-05-12) has those of organizations and what belongs to them: by offset, with the
 * count of all that match. Where it is silent, as users are listed [inferred].
 */
export function listRecords<Item extends ClerkApiItem>(context: Context, listing: Listing<Item>): Response {
  const { items, orders = [], ids = {}, isWanted, show = (item: Item) => item } = listing;
  const range = readRange(context, ["created_at", ...orders]);
  if ("code" in range) return refuse(context, range);
  const picks = Object.entries(ids).map(([parameter, idOf]) => readPick(context, parameter, idOf));
  const refusal = picks.find((pick) => typeof pick !== "function");
  if (refusal !== undefined) return refuse(context, refusal as Refusal);
  const filters = [...picks, isWanted].filter((filter) => typeof filter === "function");
  const matching = filters.length === 0 ? items : items.filter((item) => filters.every((filter) => filter(item)));
  const { order, offset, limit } = range;
  const sorted = order.by === "created_at" ? matching : sortBy(matching, order.by as keyof Item);
  const at = (place: number) => sorted[order.descending ? sorted.length - 1 - place : place];
  const length = Math.max(0, Math.min(limit, sorted.length - offset));
  const page = Array.from({ length }, (_, place) => at(offset + place)).filter((item) => item !== undefined);
  return answer(context, 200, { data: page.map(show), total_count: sorted.length });
}

/** Ids are asked for with + or nothing before them, and left out with -. Ids that there are not are ignored. */
function readPick<Item>(
  context: Context,
  parameter: string,
  idOf: (item: Item) => string,
): ((item: Item) => boolean) | Refusal | undefined {
  const asked = context.req.queries(parameter) ?? [];
  if (asked.length === 0) return undefined;
  if (asked.length > mostIds) return invalid(parameter);
  const without = new Set(asked.filter((id) => id.startsWith("-")).map((id) => id.slice(1)));
  const wanted = new Set(asked.filter((id) => !id.startsWith("-")).map((id) => id.replace(/^[+ ]/, "")));
  return (item) => !without.has(idOf(item)) && (wanted.size === 0 || wanted.has(idOf(item)));
}

function sortBy<Item>(items: readonly Item[], key: keyof Item): readonly Item[] {
  return items.toSorted((one, other) => String(one[key] ?? "").localeCompare(String(other[key] ?? "")));
}
