import type { Context } from "hono";
import { clerkError } from "./error-response.ts";

export type Refusal = { status: 404 | 422; code: string; message: string };

type Range = { limit: number; offset: number; order: { by: string; descending: boolean } };

const largestPage = 500;
const defaultPage = 10;

/** The parameters that all lists of Clerk's API have (OpenAPI, LimitParameter and OffsetParameter). */
export function readRange(context: Context, orders: readonly string[]): Range | Refusal {
  const limit = readLimit(context.req.query("limit"));
  const offset = Number(context.req.query("offset") ?? 0);
  const order = readOrder(context.req.query("order_by") ?? "-created_at", orders); // of several the first counts
  if (order === null) return invalid("order_by");
  if (limit === null) return invalid("limit");
  return offset >= 0 ? { limit, offset, order } : invalid("offset");
}

/** More than 500 is answered with ten items and no error (clerk-sdk-python issue 166). */
function readLimit(text: string | undefined): number | null {
  const limit = Number(text ?? defaultPage);
  if (!Number.isInteger(limit) || limit < 1) return null;
  return limit > largestPage ? defaultPage : limit;
}

/** No prefix is +. The real one knows more columns; the sync asks for none of them. A + may arrive as a space. */
function readOrder(text: string, orders: readonly string[]): Range["order"] | null {
  const [, sign, by = ""] = text.match(/^([-+ ]?)(\w+)$/) ?? [];
  return orders.includes(by) ? { by, descending: sign === "-" } : null;
}

export function invalid(parameter: string): Refusal {
  return { status: 422, code: "form_param_value_invalid", message: `${parameter} is invalid` };
}

export function refuse(context: Context, { status, code, message }: Refusal): Response {
  return clerkError(context, status, code, message);
}
