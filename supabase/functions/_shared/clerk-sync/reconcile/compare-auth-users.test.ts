import { describe, expect, test } from "vitest";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import {
  createFakeClerk,
  createFakeRuns,
  newRun,
  noFakeRecords,
} from "../../../../../tests/support/database/fake-runs-database.ts";
import { createFakeAuthAdmin } from "../../../../../tests/support/supabase/fake-auth-admin.ts";
import { SyncError } from "../errors.ts";
import { authUserIdOf } from "../mirror/mirror-user.ts";
import { type AuthReader, type AuthRow, createAuthReader } from "../mirror/read-auth-users.ts";
import { compareNextAuthPage, findMissingAuthUsers } from "./compare-auth-users.ts";
import { type AuthDifference, mostOpenJobs, type Run } from "./runs-database.ts";
import type { LeasedRun, StepDependencies } from "./step.ts";

const clerkIds = Array.from({ length: 450 }, (_, place) => `user_${String(place).padStart(3, "0")}`);

/** A compare of these users of Auth with ours, of whom those in `wrong` differ whenever they are compared. */
function compareOver(changes: Partial<AuthReader> = {}, wrong: Record<string, AuthDifference["kind"]> = {}) {
  const users = clerkIds.map((clerk_id) => ({ id: authUserIdOf(clerk_id), app_metadata: { clerk_id } }));
  const { auth } = createFakeAuthAdmin([...users, { id: crypto.randomUUID(), email: "own@example.com" }]);
  const compared: AuthRow[][] = [];
  const read: string[] = [];
  const reader = createAuthReader(auth, (work) => work());
  const { runs } = createFakeRuns(null);
  const dependencies: StepDependencies = {
    runs: {
      ...runs,
      compareAuthUsers: async (rows) => {
        compared.push([...rows]);
        return { mirrors: rows.map(({ id }) => id), found: rows.flatMap((row) => toFound(row, wrong)) };
      },
      unlistedAuthUsers: async () => ({
        users: [{ clerk_id: "user_new", id: authUserIdOf("user_new") }],
        held: [],
        next: null,
      }),
    },
    clerk: createFakeClerk([]),
    records: noFakeRecords,
    fields: rootFields,
    auth: {
      ...reader,
      readUser: async (id) => {
        read.push(id);
        return await reader.readUser(id);
      },
      ...changes,
    },
    mostUnknownPercent: 20,
    deletesForeign: false,
    withValues: false,
    watcher: {},
  };
  return { dependencies, compared, read };
}

function toFound({ id, owner, missing }: AuthRow, wrong: Record<string, AuthDifference["kind"]>): AuthDifference[] {
  const kind = missing ? "auth_missing" : wrong[owner];
  return kind === undefined ? [] : [{ id, clerk_id: owner, kind, fields: [], remembered: false, tombstone: false }];
}

const runAt = (cursor: Run["cursor"], changes: Partial<LeasedRun> = {}): LeasedRun => ({
  ...newRun("compare", { phase: "auth", cursor }),
  token: "token-1",
  readAt: "2026-01-01T00:00:00Z",
  mirrors: true,
  openJobs: 0,
  ...changes,
});

describe("the users of Supabase Auth", () => {
  test("are walked page by page, from where the run stands, and those without a Clerk id are not looked at", async () => {
    const { dependencies, compared } = compareOver();
    let cursor: Run["cursor"] = { several: 0 };
    const marks: string[] = [];
    for (let step = await compareNextAuthPage(runAt(cursor), dependencies); typeof step === "object"; ) {
      marks.push(...(step.marks ?? []));
      if (step.phase !== undefined) {
        expect(step).toEqual({ phase: "auth_missing", cursor: { several: 0 } });
        break;
      }
      cursor = step.cursor ?? {};
      step = await compareNextAuthPage(runAt(cursor), dependencies);
    }
    expect(compared.map((rows) => rows.length)).toEqual([128, 128, 128, 66]);
    expect(marks).toEqual(clerkIds.map(authUserIdOf));
  });

  test("that are shown as one page for ever end the walk", async () => {
    const { dependencies } = compareOver();
    const listUsers = (dependencies.auth as AuthReader).listUsers;
    const stuck = compareOver({ listUsers: () => listUsers(1) }).dependencies;
    const first = await compareNextAuthPage(runAt({}), stuck);
    const cursor = typeof first === "object" ? (first.cursor ?? {}) : {};
    expect(await compareNextAuthPage(runAt(cursor), stuck)).toMatchObject({ phase: "auth_missing" });
  });

  test("that look wrong on a page count only when they still do, read alone", async () => {
    const wrong: Record<string, AuthDifference["kind"]> = { user_001: "auth_differs", user_002: "auth_differs" };
    const { dependencies, read } = compareOver({}, wrong);
    const { compareAuthUsers: compare } = dependencies.runs;
    const runs = {
      ...dependencies.runs,
      compareAuthUsers: async (...args: Parameters<typeof compare>) => {
        const answer = await compare(...args);
        delete wrong["user_002"]; // it was mirrored while the page was under way
        return answer;
      },
    };
    const step = await compareNextAuthPage(runAt({}), { ...dependencies, runs });
    expect(read.toSorted()).toEqual([authUserIdOf("user_001"), authUserIdOf("user_002")].toSorted());
    expect(step).toMatchObject({ counts: { auth_differs: 1 }, mirror: ["user_001"], jobs: [] });
  });

  test("are deleted by a job that the brake counts, once Clerk says that their user is gone", async () => {
    const wrong: Record<string, AuthDifference["kind"]> = { user_001: "auth_extra", user_002: "auth_extra" };
    const { dependencies } = compareOver({}, wrong);
    const readUser = async (id: string) =>
      id === "user_001" ? ({ deleted: true } as const) : Promise.reject(new SyncError("clerk_rejected", "no id"));
    const clerk = { ...dependencies.clerk, readUser };
    expect(await compareNextAuthPage(runAt({}), { ...dependencies, clerk })).toMatchObject({
      counts: { auth_extra: 1 },
      jobs: [{ clerk_id: "user_001", job_type: "USER_DELETED", for_auth_only: true }],
    });
  });

  test("of an instance that this key cannot know are left while events of several come", async () => {
    const { dependencies } = compareOver({}, { user_001: "auth_extra" });
    expect(await compareNextAuthPage(runAt({ several: 1 }), dependencies)).toMatchObject({
      counts: { auth_foreign: 1 },
      jobs: [],
    });
  });

  test("that no page has shown are asked for by id", async () => {
    const { dependencies, compared } = compareOver();
    expect(await findMissingAuthUsers(runAt({ several: 0 }), dependencies)).toEqual({
      counts: { auth_missing: 1 },
      mirror: ["user_new"],
      jobs: [],
      phase: "settle",
    });
    expect(compared).toEqual([[{ id: authUserIdOf("user_new"), owner: "user_new", missing: true }]]);
  });
});

test("a dry run queues nothing", async () => {
  const { dependencies } = compareOver({}, { user_001: "auth_differs", user_002: "auth_extra" });
  const run = runAt({});
  run.applies = false;
  const step = await compareNextAuthPage(run, dependencies);
  expect(step).toMatchObject({ counts: { auth_differs: 1, auth_extra: 1 } });
  expect(step).not.toHaveProperty("mirror");
  expect(step).not.toHaveProperty("jobs");
});

test("a queue that is full is waited for", async () => {
  expect(await compareNextAuthPage(runAt({}, { openJobs: mostOpenJobs }), compareOver().dependencies)).toBe("wait");
});

describe("while Supabase Auth does not answer", () => {
  const down = () => Promise.reject(new SyncError("auth_unavailable", "down", { retryable: true }));

  test.each([
    ["its list", compareOver({ listUsers: down })],
    ["one of its users", compareOver({ readUser: down }, { user_001: "auth_differs" })],
  ])("%s, the run goes on without it and says so", async (_, { dependencies }) => {
    expect(await compareNextAuthPage(runAt({}), dependencies)).toEqual({ phase: "settle", counts: { auth_unread: 1 } });
  });

  test.each([
    [404, "http_404"],
    [404, "validation_failed"],
  ])("%i %s of somebody else does not make a user missing", async (status, code) => {
    const { auth } = createFakeAuthAdmin();
    const getUser = async () => ({ ok: false, status, code }) as const;
    const { readUser } = createAuthReader({ ...auth, getUser }, (work) => work());
    await expect(readUser(authUserIdOf("user_a"))).rejects.toMatchObject({ code: "auth_unavailable" });
    const step = await findMissingAuthUsers(runAt({}), compareOver({ readUser }).dependencies);
    expect(step).toEqual({ phase: "settle", counts: { auth_unread: 1 } });
  });
});
