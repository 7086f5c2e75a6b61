import { sqlState } from "../../server/call-function.ts";

/** An answer of PostgREST that is not a success (docs.postgrest.org, "Errors"). */
export type PostgrestFailure = {
  status: number;
  body: { code: string; message: string; details: string | null; hint: string | null };
};

/** PostgREST's mapping of SQLSTATE to HTTP status (docs.postgrest.org, "HTTP Status Codes"), first match wins. */
const statusOfState: readonly (readonly [RegExp, number])[] = [
  [/^(23503|23505)$/, 409],
  [/^25006$/, 405],
  [/^(42883|42P01)$/, 404],
  [/^(0L|0P|28|42501)/, 403],
  [/^P0001$/, 400],
  [/^(53400|42P17|21000)$/, 500],
  [/^(08|53|57P01)/, 503],
  [/^(09|25|2D|38|39|3B|40|54|55|57|58|F0|HV|P0|XX)/, 500],
];

export function postgrestFailure(
  status: number,
  code: string,
  message: string,
  { details = null, hint = null }: { details?: string | null; hint?: string | null } = {},
): PostgrestFailure {
  return { status, body: { code, message, details, hint } };
}

/** What PostgREST answers when the database refuses; a caller without a role of its own (anon) is told 401, not 403. */
export function databaseFailure(error: unknown, isAnonymous = false): PostgrestFailure {
  const state = sqlState(error);
  const { message = "", hint = null, detail = null } = error as { message?: string; hint?: string; detail?: string };
  if (state === undefined) return postgrestFailure(503, "PGRST000", message);
  const isUnknownRole = state === "22023" && /^role .* does not exist$/.test(message);
  const is401 = isUnknownRole || (state === "42501" && isAnonymous);
  const status = is401 ? 401 : (statusOfState.find(([pattern]) => pattern.test(state))?.[1] ?? 400);
  return postgrestFailure(status, state, message, { details: detail, hint });
}

/** What PostgREST answers when no function has this name and these arguments. */
export function functionNotFound(name: string, argumentNames: readonly string[]): PostgrestFailure {
  const given = argumentNames.length === 0 ? " without parameters" : `(${argumentNames.join(", ")})`;
  const message = `Could not find the function public.${name}${given} in the schema cache`;
  return postgrestFailure(404, "PGRST202", message);
}

export const bodyNotParsed = postgrestFailure(400, "PGRST102", "Empty or invalid json");
