import type { Context } from "hono";
import { answer, clerkError } from "./error-response.ts";
import type { ClerkApiUser, UserOrder, UserStore } from "./user-store.ts";

/** What the OpenAPI description leaves open: how a cursor is answered whose user was deleted meanwhile. */
export type UnknownCursor = "rejected" | "not_found" | "empty";

const largestPage = 500;
const defaultPage = 10;
const mostIds = 100;

type Order = { by: UserOrder; descending: boolean };
type Refusal = { status: 404 | 422; code: string; message: string };

/** GET /v1/users as Clerk's OpenAPI description (2026-05-12) has it; where it is silent, [inferred]. */
export function listUsers(context: Context, users: UserStore, unknownCursor: UnknownCursor): Response {
  const page = readPage(context, users, unknownCursor);
  if (!Array.isArray(page)) return clerkError(context, page.status, page.code, page.message);
  return answer(context, 200, page);
}

function readPage(context: Context, users: UserStore, unknownCursor: UnknownCursor): ClerkApiUser[] | Refusal {
  const limit = readLimit(context.req.query("limit"));
  const offset = Number(context.req.query("offset") ?? 0);
  const order = readOrder(context.req.query("order_by") ?? "-created_at"); // of several the first counts
  const ids = context.req.queries("user_id") ?? [];
  const cursor = context.req.query("starting_after");
  if (order === null) return invalid("order_by");
  if (limit === null) return invalid("limit");
  if (!(offset >= 0)) return invalid("offset");
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

/** More than 500 is answered with ten users and no error (clerk-sdk-python issue 166). */
function readLimit(text: string | undefined): number | null {
  const limit = Number(text ?? defaultPage);
  if (!Number.isInteger(limit) || limit < 1) return null;
  return limit > largestPage ? defaultPage : limit;
}

/** No prefix is +. The real one knows more columns; the sync asks for none of them. A + may arrive as a space. */
function readOrder(text: string): Order | null {
  const match = text.match(/^([-+ ]?)(created_at|updated_at)$/);
  return match === null ? null : { by: match[2] as UserOrder, descending: match[1] === "-" };
}

function invalid(parameter: string): Refusal {
  return { status: 422, code: "form_param_value_invalid", message: `${parameter} is invalid` };
}

function refuseCursor(cursor: string, unknownCursor: UnknownCursor): ClerkApiUser[] | Refusal {
  if (unknownCursor === "empty") return [];
  if (unknownCursor === "rejected") return invalid("starting_after");
  return { status: 404, code: "resource_not_found", message: `No user was found with id ${cursor}.` };
}
