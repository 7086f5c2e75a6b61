import { errorMessage } from "../errors.ts";

/** Why a request got no answer: fetch says "fetch failed" and puts what happened into the innermost cause. */
export function networkReason(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  // A DOMException's code is a number of old, and tells nothing.
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const message = errorMessage(cause);
  return code === "" || message.includes(code) ? message : [code, message].filter(Boolean).join(" ");
}
