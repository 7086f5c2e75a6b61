import type { z } from "zod";
import type { AdminCaller } from "./caller.ts";
import type { Right } from "./contract/overview.ts";

/** A route of sync-admin: what goes in and out, who may, and what it does. The document is made from these. */
export type AdminRoute = {
  method: "get" | "post";
  /** Below /functions/v1/sync-admin; {name} is a parameter. */
  path: string;
  summary: string;
  right: Right;
  params?: z.ZodObject | undefined;
  query?: z.ZodObject | undefined;
  body?: z.ZodType | undefined;
  answer: z.ZodType;
  /** Of an answer that is no JSON; its handler answers a Response. */
  media?: string | undefined;
  handle: (input: RouteInput, caller: AdminCaller) => Promise<unknown>;
};

/** What was sent, parsed by the schemas of the route. */
type RouteInput = { params: unknown; query: unknown; body: unknown };

type None = z.ZodUndefined;
type Input<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> = {
  params: z.output<Params>;
  query: z.output<Query>;
  body: z.output<Body>;
};

/** A route with the types of its schemas; they are forgotten here, where all routes become alike. */
export function defineRoute<
  Answer extends z.ZodType,
  Params extends z.ZodObject | None = None,
  Query extends z.ZodObject | None = None,
  Body extends z.ZodType = None,
>(
  route: Pick<AdminRoute, "method" | "path" | "summary" | "right" | "media"> & {
    params?: Params;
    query?: Query;
    body?: Body;
    answer: Answer;
    handle: (input: Input<Params, Query, Body>, caller: AdminCaller) => Promise<z.input<Answer> | Response>;
  },
): AdminRoute {
  return route as unknown as AdminRoute;
}
