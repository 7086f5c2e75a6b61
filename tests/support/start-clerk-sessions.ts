import { randomUUID } from "node:crypto";
import { Hono } from "hono";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { serveApp } from "./serve-app.ts";

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
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: "RS256", use: "sig" };
  const { url, stop } = await serveApp(
    new Hono().get("/.well-known/jwks.json", (context) => context.json({ keys: [jwk] })),
  );
  const header = { alg: "RS256", typ: "JWT", kid: keyId };
  return {
    issuer: url,
    jwksUrl: `${url}/.well-known/jwks.json`,
    publicKey: await exportSPKI(publicKey),
    keyId,
    signSessionToken: (claims) =>
      new SignJWT({ ...sessionClaims(url), ...claims }).setProtectedHeader(header).sign(privateKey),
    stop,
  };
}

/** Clerk docs, "Session tokens", version 2. A token lives for a minute. */
function sessionClaims(issuer: string): JWTPayload {
  const now = Math.floor(Date.now() / 1000);
  return {
    azp: "http://localhost:3000",
    exp: now + 60,
    fva: [0, -1],
    iat: now,
    iss: issuer,
    jti: randomUUID(),
    nbf: now - 10,
    sid: "sess_test",
    sts: "active",
    v: 2,
  };
}
