import type { ClerkApi } from "../clerk/clerk-api.ts";
import { SyncError } from "../errors.ts";
import { mapInParallel } from "../http/async.ts";
import { logger } from "../logger.ts";
import type { AuthUser } from "../mirror/auth-admin.ts";
import { authUserIdOf } from "../mirror/mirror-user.ts";
import {
  type AuthReader,
  type AuthRow,
  clerkIdOf,
  isOfUser,
  toAuthRow,
  type UnreadableRow,
} from "../mirror/read-auth-users.ts";
import { countKinds, mergeCounts } from "./compare-page.ts";
import { toDeletion } from "./find-deleted-users.ts";
import { type AuthDifference, type Difference, mostOpenJobs, type RunStep } from "./runs-database.ts";
import type { LeasedRun, Step, StepDependencies } from "./step.ts";

/** Requests of a step that go out at once. */
const concurrency = 10;
/** Users of ours that are looked up in Auth by one step. */
const idsPerStep = 100;

type AuthStep = (auth: AuthReader, run: LeasedRun, dependencies: StepDependencies) => Promise<RunStep>;

/**
 * One step after the deletions of a compare: a page of Supabase Auth's users is compared with ours, and those that are
 * right are marked as seen. Pages shift while users are deleted, and a user may change while a page is under way:
 * whatever looks wrong is read again, alone, before it counts. Auth users without a Clerk id are not ours.
 */
export const compareNextAuthPage: Step = (run, dependencies) => withAuth(compareAuthPage, run, dependencies);

/** One step after those: users of ours whose mirror no page has shown are asked for by id. */
export const findMissingAuthUsers: Step = (run, dependencies) => withAuth(lookUpUnlisted, run, dependencies);

/** While Supabase Auth does not answer, the rest is left to the next compare: the run must not wait for it. */
async function withAuth(step: AuthStep, run: LeasedRun, dependencies: StepDependencies): Promise<RunStep | "wait"> {
  if (dependencies.auth === null) return { phase: "settle" };
  if (run.applies && run.openJobs >= mostOpenJobs) return "wait";
  try {
    return await step(dependencies.auth, run, dependencies);
  } catch (error) {
    if (!(error instanceof SyncError && error.code.startsWith("auth_"))) throw error;
    logger.warn("run.auth_unread", { code: error.code });
    return { phase: "settle", counts: { auth_unread: 1 } };
  }
}

async function compareAuthPage(auth: AuthReader, run: LeasedRun, dependencies: StepDependencies): Promise<RunStep> {
  const { page = 1, first, several = 0, nameless = 0 } = run.cursor;
  const { users, unreadable } = await auth.listUsers(Number(page));
  const isEmpty = users[0] === undefined && unreadable.length === 0;
  const isOver = isEmpty || (users[0] !== undefined && users[0].id === first); // a server that knows no pages shows one for ever
  if (isOver) return { phase: "auth_missing", cursor: { several, ...counted(Number(nameless)) } };
  if (unreadable.length > 0) dependencies.watcher.onDifferences?.(unreadable.map(toNameless));
  const rows = users.flatMap((user) => toRowOfOwner(user));
  const { mirrors, found } = await compare(rows, run, dependencies);
  const verified = await readAgain(
    found.map(({ id, clerk_id }) => ({ id, clerk_id })),
    { auth, run, dependencies },
  );
  const step = await toStep(verified, run, dependencies);
  return {
    ...step,
    counts: mergeCounts(
      mergeCounts(step.counts, countUnreadable(unreadable.length + verified.filter(isUnreadable).length)),
      { auth_read: users.length },
    ),
    marks: mirrors,
    cursor: {
      page: Number(page) + 1,
      first: users[0]?.id ?? "",
      several,
      ...counted(Number(nameless) + unreadable.length),
    },
  };
}

async function lookUpUnlisted(auth: AuthReader, run: LeasedRun, dependencies: StepDependencies): Promise<RunStep> {
  const { after = "", several = 0, nameless = 0 } = run.cursor;
  const { users, held: withheld, next } = await dependencies.runs.unlistedAuthUsers(String(after), idsPerStep);
  const found = await readAgain(users, { auth, run, dependencies });
  const step = await toStep([...found, ...(await readHeld(auth, withheld))], run, dependencies);
  // The list has counted as many rows without their names.
  const named = found.filter(isUnreadable).length;
  const left = Math.max(0, Number(nameless) - named);
  const counts = { ...step.counts, ...countUnreadable(Math.max(0, named - Number(nameless))) };
  const cursor = { after: next ?? "", several, ...counted(left) };
  return { ...step, counts, ...(next === null ? { phase: "settle" } : { cursor }) };
}

/** Rows that Auth could not read and whose users are not known yet; left out of the cursor when there are none. */
function counted(nameless: number): { nameless?: number } {
  return nameless === 0 ? {} : { nameless };
}

function countUnreadable(rows: number): Record<string, number> {
  return rows === 0 ? {} : { auth_unreadable: rows };
}

function isUnreadable({ kind }: Pick<Difference, "kind">): boolean {
  return kind === "auth_unreadable";
}

function toNameless({ place, after, before }: UnreadableRow): Difference {
  const where = [after === null ? [] : [`after ${after}`], before === null ? [] : [`before ${before}`]].flat();
  return { clerk_id: "unknown", kind: "auth_unreadable", fields: [`Auth user ${place}, the oldest first`, ...where] };
}

function toRowOfOwner(user: AuthUser): AuthRow[] {
  const owner = clerkIdOf(user);
  return owner === null ? [] : [toAuthRow(user, owner)];
}

async function compare(rows: readonly AuthRow[], { readAt }: LeasedRun, { runs, withValues }: StepDependencies) {
  return rows.length === 0 ? { mirrors: [], found: [] } : await runs.compareAuthUsers(rows, readAt, withValues);
}

type Reading = { auth: AuthReader; run: LeasedRun; dependencies: StepDependencies };

type Found = Omit<AuthDifference, "kind"> & { kind: Difference["kind"] };

/** What is still wrong of these Auth users when each is read alone, and which of them Auth cannot read. */
async function readAgain(
  users: readonly { id: string; clerk_id: string }[],
  { auth, run, dependencies }: Reading,
): Promise<Found[]> {
  const unreadable: Found[] = [];
  const rows = await mapInParallel(users, concurrency, async ({ id, clerk_id }): Promise<AuthRow | null> => {
    try {
      const user = await auth.readUser(id);
      return user === null ? { id, owner: clerk_id, missing: true } : toAuthRow(user, clerk_id);
    } catch (error) {
      if (!isOfUser(error)) throw error;
      unreadable.push({ id, clerk_id, kind: "auth_unreadable", fields: [], remembered: false, tombstone: false });
      return null;
    }
  });
  const { found } = await compare(
    rows.filter((row) => row !== null),
    run,
    dependencies,
  );
  return [...found, ...unreadable];
}

/** Whose address another Auth user holds still. The mirror of the others gets it now. */
async function readHeld(
  auth: AuthReader,
  users: readonly { clerk_id: string; email: string | null }[],
): Promise<AuthDifference[]> {
  return mapInParallel(users, concurrency, async ({ clerk_id, email }): Promise<AuthDifference> => {
    const isTaken = email === null || (await auth.isEmailTaken(email));
    const found = isTaken
      ? { kind: "auth_address_held" as const, fields: [] }
      : { kind: "auth_differs" as const, fields: ["email"] };
    return { id: "", clerk_id, ...found, remembered: true, tombstone: false };
  });
}

/** Counts what was found, and queues what mends it. */
async function toStep(
  found: readonly Found[],
  run: LeasedRun,
  { clerk, watcher, deletesForeign }: StepDependencies,
): Promise<RunStep> {
  const extra = found.filter(({ kind }) => kind === "auth_extra");
  const gone = await onlyDeleted(clerk, extra);
  const mayDelete = (user: Found) =>
    (user.remembered || user.id === authUserIdOf(user.clerk_id)) &&
    (user.tombstone || deletesForeign || run.cursor["several"] !== 1);
  const differences: Difference[] = [
    ...found.filter(({ kind }) => kind !== "auth_extra").map(toDifference),
    ...gone.map((user) => toDifference(mayDelete(user) ? user : { ...user, kind: "auth_foreign" })),
  ];
  watcher.onDifferences?.(differences);
  const counts = countKinds(differences.filter((one) => !isUnreadable(one))); // the callers count these
  if (!run.applies) return { counts };
  const idsOf = (...kinds: Difference["kind"][]) =>
    differences.filter(({ kind }) => kinds.includes(kind)).map(({ clerk_id }) => clerk_id);
  return {
    counts,
    mirror: idsOf("auth_missing", "auth_differs"),
    jobs: idsOf("auth_extra").map((id) => toAuthDeletion(run, id)),
  };
}

/** Those of whom Clerk itself says that they do not exist. */
async function onlyDeleted(clerk: ClerkApi, extra: readonly Found[]): Promise<Found[]> {
  const deleted = await mapInParallel(extra, concurrency, ({ clerk_id }) => isDeleted(clerk, clerk_id));
  return extra.filter((_, place) => deleted[place]);
}

async function isDeleted(clerk: ClerkApi, clerkId: string): Promise<boolean> {
  try {
    return (await clerk.readUser(clerkId)).deleted;
  } catch (error) {
    if (error instanceof SyncError && error.code === "clerk_rejected") return false; // no id of Clerk's
    throw error;
  }
}

function toDifference({ clerk_id, kind, fields }: Found): Difference {
  return { clerk_id, kind, fields };
}

/** A deletion like any other, but one that the delete brake counts although nobody is deleted here. */
function toAuthDeletion(run: LeasedRun, clerkId: string) {
  const deletion = toDeletion(run, clerkId);
  return {
    ...deletion,
    event_id: `reconcile_${run.id}_${clerkId}_auth`,
    for_auth_only: true,
  };
}
