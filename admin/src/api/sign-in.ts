import type { Caller, Right } from "#core/admin/contract/overview.ts";
import { createClient } from "./client.ts";
import type { Session } from "./session.ts";

export type Proof = { kind: "secret_key" | "session_token"; secret: string };
type SignedIn = { token: string; caller: Caller };

/**
 * Exchanges a secret key or a Clerk session token for an admin token, which alone is kept. Without a right it has that of
 * the proof: a session may be a viewer's.
 */
export async function signIn(apiUrl: string, proof: Proof, given: { name: string; right?: Right }): Promise<Session> {
  const secret = proof.secret.trim();
  const headers: Record<string, string> =
    proof.kind === "secret_key" ? { apikey: secret } : { authorization: `Bearer ${secret}` };
  const client = createClient({ baseUrl: apiUrl, headers });
  const { token, caller } = await client.post<SignedIn>("/sign-in", given);
  return { apiUrl, token, caller };
}

/** Signs in by a token that somebody made for one. */
export async function signInByToken(apiUrl: string, token: string): Promise<Session> {
  const client = createClient({ baseUrl: apiUrl, headers: { authorization: `Bearer ${token}` } });
  return { apiUrl, token, caller: await client.get<Caller>("/me") };
}

/** Makes a token that only reads. */
export async function makeViewerToken({ apiUrl, token }: Session, name: string): Promise<SignedIn> {
  const client = createClient({ baseUrl: apiUrl, headers: { authorization: `Bearer ${token}` } });
  return client.post<SignedIn>("/sign-in", { name, right: "viewer" satisfies Right });
}
