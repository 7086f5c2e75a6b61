import { useMemo } from "react";
import { type Client, createClient } from "./client.ts";
import { endSession, useSession } from "./session.ts";

/** The API as the signed-in caller. A refused token leads back to the login. */
export function useClient(): Client {
  const { apiUrl, token } = useSession();
  return useMemo(
    () =>
      createClient({
        baseUrl: apiUrl,
        headers: { authorization: `Bearer ${token}` },
        onSignedOut: () => endSession("Your sign-in has expired. Sign in again to go on where you were."),
      }),
    [apiUrl, token],
  );
}

/** Why the caller may not act; null for operators. */
export function useRefusal(): string | null {
  const { caller } = useSession();
  return caller.right === "operator" ? null : "You are signed in as a viewer, who only reads. Ask an operator.";
}
