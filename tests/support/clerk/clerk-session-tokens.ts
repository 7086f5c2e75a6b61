import { type CryptoKey, exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type JWK, SignJWT } from "jose";

export type SessionClaims = Record<string, unknown>;

export type SignOptions = {
  /** Unix milliseconds at which Clerk makes the token. */
  now?: number;
  header?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
};

export type SessionTokens = {
  issuer: string;
  jwks: { keys: JWK[] };
  /** What another process needs to sign with the same key. */
  privateKey: string;
  /** A session token as Clerk makes it (docs, "Session tokens", version 2); a claim of undefined is left out. */
  sign: (claims: SessionClaims, options?: SignOptions) => Promise<string>;
};

export type SessionTokenSource = { issuer?: string; kid?: string; privateKey?: string };

const lifetimeSeconds = 60;
const notBeforeSeconds = 10;

/** Stands in for the part of Clerk that makes session tokens: a key pair, its JWKS, and tokens signed with it. */
export async function createSessionTokens(source: SessionTokenSource = {}): Promise<SessionTokens> {
  const { issuer = "https://clerk.example.com", kid = "ins_1" } = source;
  const privateKey = source.privateKey ?? (await newPrivateKey());
  const key = await importPKCS8(privateKey, "RS256", { extractable: true });
  const { kty, n, e } = await exportJWK(key);
  const jwks = { keys: [{ use: "sig", kty, kid, alg: "RS256", n, e } as JWK] };
  return {
    issuer,
    jwks,
    privateKey,
    sign: (claims, { now = Date.now(), header = {}, key: otherKey } = {}) => {
      const seconds = Math.floor(now / 1000);
      const times = { iat: seconds, nbf: seconds - notBeforeSeconds, exp: seconds + lifetimeSeconds };
      const standard = { iss: issuer, sid: "sess_1", sts: "active", jti: crypto.randomUUID(), v: 2, fva: [0, -1] };
      return new SignJWT({ ...standard, ...times, ...claims })
        .setProtectedHeader({ alg: "RS256", typ: "JWT", kid, cat: "cl_B7d4PD111AAA", ...header })
        .sign(otherKey ?? key);
    },
  };
}

async function newPrivateKey(): Promise<string> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return exportPKCS8(privateKey);
}
