import { SignJWT } from "jose";
import { refuseAtGateway } from "./refuse.ts";

/** The keys of a project: the new kind, which are no tokens, and the legacy kind, which are (docs, "API keys"). */
export type ApiKeys = {
  publishable: string;
  secret: string;
  anonJwt: string;
  serviceRoleJwt: string;
  /** Signs the legacy keys (HS256). */
  jwtSecret: Uint8Array;
};

export async function createApiKeys(): Promise<ApiKeys> {
  const jwtSecret = new TextEncoder().encode("a-legacy-jwt-secret-of-at-least-32-characters");
  const sign = (role: string) =>
    new SignJWT({ role }).setProtectedHeader({ alg: "HS256", typ: "JWT" }).setIssuer("supabase").sign(jwtSecret);
  return {
    publishable: "sb_publishable_test_0123456789",
    secret: "sb_secret_test_0123456789",
    anonJwt: await sign("anon"),
    serviceRoleJwt: await sign("service_role"),
    jwtSecret,
  };
}

/**
 * The token that Supabase's gateway hands on to PostgREST. A request needs one of the project's keys as `apikey`; a
 * user's token goes on as it is, whatever the key; a key of the new kind sent as Bearer is dropped, and the role of the
 * apikey counts. Source: supabase/cli start.go, the request transformer of its gateway.
 */
export function passGateway(headers: Headers, keys: ApiKeys): string {
  const key = headers.get("apikey") ?? "";
  if (key === "") refuseAtGateway("No API key found in request", "No `apikey` request header or url param was found.");
  const tokenOfKey = new Map([
    [keys.publishable, keys.anonJwt],
    [keys.secret, keys.serviceRoleJwt],
    [keys.anonJwt, keys.anonJwt],
    [keys.serviceRoleJwt, keys.serviceRoleJwt],
  ]).get(key);
  if (tokenOfKey === undefined) {
    return refuseAtGateway("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.");
  }
  const authorization = headers.get("authorization") ?? "";
  if (authorization === "" || authorization.startsWith("Bearer sb_")) return tokenOfKey;
  return authorization.replace(/^Bearer +/i, "");
}
