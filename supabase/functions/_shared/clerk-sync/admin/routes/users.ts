import { z } from "zod";
import type { Database } from "../../database/database.ts";
import { SyncError } from "../../errors.ts";
import type { AdminCaller } from "../caller.ts";
import type { JobSummary } from "../contract/jobs.ts";
import { resyncedSchema, userLists, userPageSchema, userSchema } from "../contract/users.ts";
import { type AdminRoute, defineRoute } from "../route.ts";
import { maskRecord, maskUser } from "../user/mask-user.ts";
import { type AdminUserOptions, readAdminUser } from "../user/read-admin-user.ts";
import { describeSearch } from "../user/search-words.ts";
import { pageQuery } from "./jobs.ts";

type UserRouteOptions = AdminUserOptions & {
  requestRefresh: Database["requestRefresh"];
  /** Called after a refresh was asked for. */
  onQueued: () => void;
};

const clerkIdParams = z.object({ clerk_id: z.string().min(1).max(255) });

/** Lists of users, one user at all three places, and the resync. */
export function createUserRoutes(options: UserRouteOptions): AdminRoute[] {
  return [
    defineRoute({
      method: "get",
      path: "/users",
      summary:
        "Users by Clerk id, its beginning, email, or the text of a mapped column with an index, else the newest; values are masked",
      right: "viewer",
      query: pageQuery
        .extend({ q: z.string().min(1).max(255).optional(), show: z.enum(userLists).default("present") })
        .strict(),
      answer: userPageSchema,
      handle: async ({ query: { q, show, cursor, limit } }) => {
        const page = await options.database.users(q ?? null, show, { cursor: cursor ?? null, limit });
        const search = page.search && { ...page.search, note: describeSearch(q ?? "", page) };
        return { ...page, users: page.users.map(maskRecord), search };
      },
    }),
    defineRoute({
      method: "get",
      path: "/users/{clerk_id}",
      summary: "One user in Clerk, in the table of users and in Supabase Auth, and why they are out of sync",
      right: "viewer",
      params: clerkIdParams,
      answer: userSchema,
      handle: async ({ params }) => maskUser(await readAdminUser(params.clerk_id, options)),
    }),
    defineRoute({
      method: "post",
      path: "/users/{clerk_id}/reveal",
      summary: "One user with personal values as they are; goes into the audit",
      right: "operator",
      params: clerkIdParams,
      answer: userSchema,
      handle: async ({ params }, { name }) => {
        await options.database.noteAction({ actor: name, code: "reveal_user", subject: params.clerk_id });
        return { ...(await readAdminUser(params.clerk_id, options)), is_revealed: true };
      },
    }),
    defineRoute({
      method: "post",
      path: "/users/{clerk_id}/resync",
      summary: "Has a user read again from Clerk's API, at once; goes into the audit",
      right: "operator",
      params: clerkIdParams,
      answer: resyncedSchema,
      handle: ({ params }, caller) => resync(params.clerk_id, caller, options),
    }),
  ];
}

async function resync(clerkId: string, { name }: AdminCaller, options: UserRouteOptions) {
  if (options.places.clerk === null) {
    throw new SyncError("config_invalid", "A resync reads the user from Clerk's API: set CLERK_SECRET_KEY.");
  }
  const { database } = options;
  await database.noteAction({ actor: name, code: "resync_user", subject: clerkId });
  const stopped = (await database.user(clerkId)).jobs.filter(isStoppedRefresh);
  if (stopped.length > 0) await database.changeJobs("retry", { ids: stopped.map(({ id }) => id) }, name);
  const requested = await options.requestRefresh([clerkId], "operator");
  options.onQueued();
  return { requested };
}

/** A refresh that has failed stands in the way of the next one of its user. */
function isStoppedRefresh({ source, status }: JobSummary): boolean {
  return source === "refresh" && (status === "DEAD" || status === "FAILED");
}
