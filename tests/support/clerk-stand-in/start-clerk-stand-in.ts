import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { findFreePort } from "../../../server/postgres/embedded-postgres.ts";
import { type ClerkApiUser, createRoutes, type Failure, type StandInState } from "./routes.ts";

export type ClerkStandIn = {
  url: string;
  secretKey: string;
  /** The users of the instance; a test changes them as Clerk would. */
  users: Map<string, ClerkApiUser>;
  /** Every request so far: "GET /v1/users/user_1". */
  requests: string[];
  /** Gives these answers to the next requests, one each. */
  failNext: (...failures: Failure[]) => void;
  stop: () => Promise<void>;
};

/** Starts a stand-in of Clerk's Backend API on a free port of 127.0.0.1. */
export async function startClerkStandIn(): Promise<ClerkStandIn> {
  const state: StandInState = { secretKey: "sk_test_stand_in", users: new Map(), requests: [], failures: [] };
  const port = await findFreePort();
  const server = serve({ fetch: createRoutes(state).fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  return {
    url: `http://127.0.0.1:${port}`,
    secretKey: state.secretKey,
    users: state.users,
    requests: state.requests,
    failNext: (...failures) => void state.failures.push(...failures),
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
