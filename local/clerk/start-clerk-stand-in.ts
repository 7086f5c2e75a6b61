import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { findFreePort } from "../postgres/embedded-postgres.ts";
import type { UserStore } from "./item-store.ts";
import { createRateLimit, type Rate } from "./limit-rate.ts";
import type { UnknownCursor } from "./list-users.ts";
import { createInstanceStores, type OrganizationStore } from "./organization-store.ts";
import { createRoutes, type Failure, type StandInState } from "./routes.ts";

export type ClerkStandIn = OrganizationStore & {
  url: string;
  secretKey: string;
  /** The users of the instance; a test changes them as Clerk would. */
  users: UserStore;
  /** Every request so far, without its query: "GET /v1/users/user_1". */
  requests: string[];
  /** Gives these answers to the next requests, one each. */
  failNext: (...failures: Failure[]) => void;
  /** Runs this before each answer from now on: time passes, users change. */
  beforeAnswer: (work: StandInState["beforeAnswer"]) => void;
  stop: () => Promise<void>;
};

export type ClerkStandInOptions = {
  /** sk_test_…: a development instance. */
  secretKey?: string;
  port?: number;
  /** Requests it allows; without one, any number. */
  rate?: Rate;
  unknownCursor?: UnknownCursor;
  /** False: organizations are switched off. */
  hasOrganizations?: boolean;
};

/** Starts a stand-in of Clerk's Backend API on 127.0.0.1, on a free port unless one is named. */
export async function startClerkStandIn(options: ClerkStandInOptions = {}): Promise<ClerkStandIn> {
  const state = createState(options);
  const port = options.port ?? (await findFreePort());
  const server = serve({ fetch: createRoutes(state).fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  const { organizations, memberships, roles, permissions, invitations, membershipsOf } = state;
  return {
    ...{ organizations, memberships, roles, permissions, invitations, membershipsOf },
    url: `http://127.0.0.1:${port}`,
    secretKey: state.secretKey,
    users: state.users,
    requests: state.requests,
    failNext: (...failures) => void state.failures.push(...failures),
    beforeAnswer: (work) => {
      state.beforeAnswer = work;
    },
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** An instance without users. */
export function createState(options: Omit<ClerkStandInOptions, "port"> = {}): StandInState {
  const { secretKey = "sk_test_stand_in", rate, unknownCursor = "rejected", hasOrganizations = true } = options;
  return {
    ...createInstanceStores(),
    secretKey,
    hasOrganizations,
    requests: [],
    failures: [],
    checkRate: rate === undefined ? () => 0 : createRateLimit(rate, Date.now),
    beforeAnswer: () => undefined,
    unknownCursor,
  };
}
