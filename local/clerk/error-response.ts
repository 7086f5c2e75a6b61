import type { Context } from "hono";

/** Clerk's error body (Backend API reference, "Errors"): a list of errors and the id to give to its support. */
export function clerkError(
  context: Context,
  status: 400 | 401 | 403 | 404 | 422 | 429,
  code: string,
  message: string,
  retryAfter?: number,
): Response {
  if (retryAfter !== undefined) context.header("retry-after", `${retryAfter}`);
  return answer(context, status, {
    errors: [{ message, long_message: message, code }],
    clerk_trace_id: crypto.randomUUID().replaceAll("-", ""),
  });
}

/** Clerk sends this content type without a charset; its SDK parses no other as JSON. */
export function answer(context: Context, status: number, body: unknown): Response {
  return context.newResponse(JSON.stringify(body), status as 200, { "content-type": "application/json" });
}
