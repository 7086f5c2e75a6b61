/** A wrong Retry-After must not park a job for years. */
const longestWaitSeconds = 3600;

/**
 * The seconds a server asks to wait (RFC 9110, Retry-After), at most an hour. Empty when it does not say, or says it
 * as a date, which neither Clerk nor Supabase Auth does.
 */
export function readRetryAfter(headers: Headers): { retryAfterSeconds?: number } {
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  return seconds >= 0 ? { retryAfterSeconds: Math.min(seconds, longestWaitSeconds) } : {};
}
