import { errorMessage } from "#core/errors.ts";

/** Why a request got no answer: fetch says "fetch failed" and puts what happened into the cause. */
export function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  // A DOMException's code is a number of old, and tells nothing.
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const message = errorMessage(cause);
  return code === "" || message.includes(code) ? message : [code, message].filter(Boolean).join(" ");
}
