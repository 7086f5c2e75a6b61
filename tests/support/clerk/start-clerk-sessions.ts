import { Hono } from "hono";
import { exportSPKI, importJWK, type JWTPayload } from "jose";
import { serveApp } from "../processes/serve-app.ts";
import { createSessionTokens } from "./clerk-session-tokens.ts";

export type ClerkSessions = {
  /** What `iss` of its tokens says; its keys are at `<issuer>/.well-known/jwks.json`. */
  issuer: string;
  jwksUrl: string;
  /** The key everybody may read, as PEM; `keyId` names it in the JWKS. */
  publicKey: string;
  keyId: string;
  /** Signs a session token (RS256): the claims of Clerk's version 2, with those given on top. */
  signSessionToken: (claims: JWTPayload) => Promise<string>;
  stop: () => Promise<void>;
};

/** Starts what a Clerk instance serves to those who verify its session tokens: the public keys. */
export async function startClerkSessions(keyId = "ins_test"): Promise<ClerkSessions> {
  const { jwks, sign } = await createSessionTokens({ kid: keyId });
  const { url, stop } = await serveApp(new Hono().get("/.well-known/jwks.json", (context) => context.json(jwks)));
  return {
    issuer: url,
    jwksUrl: `${url}/.well-known/jwks.json`,
    publicKey: await readPublicKey(jwks.keys[0]),
    keyId,
    signSessionToken: (claims) => sign({ iss: url, ...claims }),
    stop,
  };
}

async function readPublicKey(jwk: Parameters<typeof importJWK>[0] | undefined): Promise<string> {
  const key = await importJWK(jwk ?? {}, "RS256", { extractable: true });
  if (key instanceof Uint8Array) throw new Error("an RSA key is no bytes");
  return exportSPKI(key);
}
