import { Hono } from "hono";
import { answer, clerkError } from "./error-response.ts";

/** A user as Clerk's API shows it; the same snapshot as in an event's data. */
export type ClerkApiUser = { id: string; updated_at: number };

/** An answer given instead of the right one. */
export type Failure = { status: number; headers?: Record<string, string>; body?: string };

export type StandInState = {
  secretKey: string;
  users: Map<string, ClerkApiUser>;
  requests: string[];
  failures: Failure[];
};

/** The routes of Clerk's Backend API that the sync uses, under /v1. */
export function createRoutes(state: StandInState): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    state.requests.push(`${context.req.method} ${context.req.path}`);
    const failure = state.failures.shift();
    if (failure !== undefined) return new Response(failure.body ?? "", failure);
    if (context.req.header("authorization") !== `Bearer ${state.secretKey}`) {
      return clerkError(context, 401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.");
    }
    return next();
  });
  app.get("/v1/users/count", (context) =>
    answer(context, 200, { object: "total_count", total_count: state.users.size }),
  );
  app.get("/v1/users/:id", (context) => {
    const id = context.req.param("id");
    const user = state.users.get(id);
    if (user === undefined) return clerkError(context, 404, "resource_not_found", `No user was found with id ${id}.`);
    return answer(context, 200, user);
  });
  app.notFound((context) => context.text("404 page not found", 404)); // as a Go server says it [inferred]
  return app;
}
