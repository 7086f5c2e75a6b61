import { Hono } from "hono";
import { answer, clerkError } from "./error-response.ts";
import { listUsers, type UnknownCursor } from "./list-users.ts";
import { addOrganizationRoutes, type Instance } from "./organization-routes.ts";

/** An answer given instead of the right one. */
export type Failure = { status: number; headers?: Record<string, string>; body?: string };

export type StandInState = Instance & {
  secretKey: string;
  requests: string[];
  failures: Failure[];
  /** Seconds the next request has to wait; 0: it may pass. */
  checkRate: () => number;
  /** Runs before each answer: time passes, users change. */
  beforeAnswer: (request: string, cursor: string | undefined, offset: string | undefined) => void | Promise<void>;
  unknownCursor: UnknownCursor;
};

/** The routes of Clerk's Backend API that the sync uses, under /v1. */
export function createRoutes(state: StandInState): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    const request = `${context.req.method} ${context.req.path}`;
    state.requests.push(request);
    const failure = state.failures.shift();
    if (failure !== undefined) return new Response(failure.body ?? "", failure);
    if (context.req.header("authorization") !== `Bearer ${state.secretKey}`) {
      return clerkError(context, 401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.");
    }
    const wait = state.checkRate();
    if (wait > 0) return clerkError(context, 429, "too_many_requests", "Too many requests.", wait);
    await state.beforeAnswer(request, context.req.query("starting_after"), context.req.query("offset"));
    return next();
  });
  app.get("/v1/users", (context) => listUsers(context, state.users, state.unknownCursor));
  app.get("/v1/users/count", (context) => {
    return answer(context, 200, { object: "total_count", total_count: state.users.size });
  });
  app.get("/v1/users/:id", (context) => {
    const id = context.req.param("id");
    const user = state.users.get(id);
    if (user === undefined) return clerkError(context, 404, "resource_not_found", `No user was found with id ${id}.`);
    return answer(context, 200, user);
  });
  addOrganizationRoutes(app, state);
  app.notFound((context) => context.text("404 page not found", 404)); // as a Go server says it [inferred]
  return app;
}
