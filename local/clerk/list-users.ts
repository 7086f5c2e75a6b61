import type { Context } from "hono";
import { answer } from "./error-response.ts";
import type { ClerkApiUser, ItemOrder, UserStore } from "./item-store.ts";
import { invalid, type Refusal, readRange, refuse } from "./read-range.ts";

/** What the OpenAPI description leaves open: how a cursor is answered whose user was deleted meanwhile. */
export type UnknownCursor = "rejected" | "not_found" | "empty";

const mostIds = 100;

type Order = { by: ItemOrder; descending: boolean };

/** GET /v1/users as Clerk's OpenAPI description (2026-05-12) has it; where it is silent, [inferred]. */
export function listUsers(context: Context, users: UserStore, unknownCursor: UnknownCursor): Response {
  const page = readPage(context, users, unknownCursor);
  if (!Array.isArray(page)) return refuse(context, page);
  return answer(context, 200, page);
}

function readPage(context: Context, users: UserStore, unknownCursor: UnknownCursor): ClerkApiUser[] | Refusal {
  const range = readRange(context, ["created_at", "updated_at"]);
  if ("code" in range) return range;
  const { limit, offset } = range;
  const order: Order = { by: range.order.by as ItemOrder, descending: range.order.descending };
  const ids = context.req.queries("user_id") ?? [];
  const cursor = context.req.query("starting_after");
  if (ids.length > mostIds) return invalid("user_id");
  if (cursor === undefined) return pageFrom(context, users, { order, limit, start: offset, ids });
  if (order.by !== "created_at" || offset > 0) return invalid("starting_after");
  const user = users.get(cursor);
  if (user === undefined) return refuseCursor(cursor, unknownCursor);
  const place = users.placeOf(user, order.by);
  const start = (order.descending ? users.size - 1 - place : place) + 1;
  return pageFrom(context, users, { order, limit, start, ids });
}

type Range = { order: Order; limit: number; start: number; ids: readonly string[] };

function pageFrom(context: Context, users: UserStore, { order, limit, start, ids }: Range): ClerkApiUser[] {
  const sorted = users.sorted(order.by);
  const at = (place: number) => sorted[order.descending ? sorted.length - 1 - place : place];
  const createdAfter = context.req.query("created_at_after");
  if (ids.length === 0 && createdAfter === undefined) {
    const length = Math.max(0, Math.min(limit, sorted.length - start));
    return Array.from({ length }, (_, place) => at(start + place)).filter((user) => user !== undefined);
  }
  const wanted = new Set(ids.map((id) => id.replace(/^\+/, "")));
  const isWanted = (user: ClerkApiUser) =>
    (ids.length === 0 || wanted.has(user.id)) && (user.created_at ?? 0) > Number(createdAfter ?? -1);
  const candidates =
    ids.length > 0 ? [...wanted].map((id) => users.get(id)).filter((user) => user !== undefined) : sorted;
  const matching = candidates.filter(isWanted);
  return (order.descending ? matching.toReversed() : matching).slice(start, start + limit);
}

function refuseCursor(cursor: string, unknownCursor: UnknownCursor): ClerkApiUser[] | Refusal {
  if (unknownCursor === "empty") return [];
  if (unknownCursor === "rejected") return invalid("starting_after");
  return { status: 404, code: "resource_not_found", message: `No user was found with id ${cursor}.` };
}
