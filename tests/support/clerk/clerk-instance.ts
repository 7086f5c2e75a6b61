import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createRoutes, type StandInState } from "../../../local/clerk/routes.ts";
import { createState } from "../../../local/clerk/start-clerk-stand-in.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createSessionTokens, type SessionTokens } from "./clerk-session-tokens.ts";

/** Where an instance is, or will be: known before it runs, so that a system can be configured for it. */
export type ClerkInstancePlace = { port: number; privateKey: string };

export type ClerkInstance = Pick<StandInState, "users" | "requests" | "failures"> & {
  tokens: SessionTokens;
  stop: () => Promise<void>;
};

const secretKey = "sk_test_stand_in";
export const authorizedParty = "https://app.example.com";

export async function planClerkInstance(): Promise<ClerkInstancePlace> {
  const { privateKey } = await createSessionTokens();
  return { port: await findFreePort(), privateKey };
}

/** The variables of a system that belongs to this instance. */
export function clerkEnvironment({ port }: ClerkInstancePlace): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  return {
    CLERK_SECRET_KEY: secretKey,
    CLERK_API_URL: url,
    CLERK_ISSUER: url,
    CLERK_AUTHORIZED_PARTIES: authorizedParty,
  };
}

/** Stands in for a Clerk instance: its Backend API, the keys of its Frontend API, and session tokens signed with them. */
export async function startClerkInstance({ port, privateKey }: ClerkInstancePlace): Promise<ClerkInstance> {
  const state = createState({ secretKey });
  const tokens = await createSessionTokens({ issuer: `http://127.0.0.1:${port}`, privateKey });
  const app = new Hono()
    .get("/.well-known/jwks.json", (context) => context.json(tokens.jwks))
    .route("/", createRoutes(state));
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  return {
    ...state,
    tokens,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
