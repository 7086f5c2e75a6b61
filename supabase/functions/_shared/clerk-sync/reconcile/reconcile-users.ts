import { pageSize } from "../clerk/clerk-api.ts";
import { comparePage } from "./compare-page.ts";
import { cursorAfter, readNextPage } from "./read-next-page.ts";
import type { Run } from "./runs-database.ts";
import type { Step } from "./step.ts";

/**
 * One step of a compare: the next page of users is compared field by field, and its users are marked as seen. Those of
 * ours that are not marked in the end may be deleted at Clerk; find-deleted-users.ts asks.
 */
export const compareNextPage: Step = async (run, dependencies) => {
  const page = await readNextPage(dependencies.clerk, run);
  if (page === null) return { phase: "deleted", cursor: {} };
  const compared = await comparePage(page, run, dependencies);
  const marks = [...page.users.map(({ user }) => user.id), ...page.unreadable];
  return { ...compared, cursor: cursorAfter(page, run), marks };
};

/** Pages overlap by so many users: deletions between two requests shift the list, and would hide as many from us. */
const overlap = 50;
/** After several pages the head of the list is read again; a busy instance is left to the next sweep. */
const mostRounds = 5;

/**
 * One step of a sweep: the users who changed since the floor, the newest first. Clerk has no filter for that, so the
 * list is walked down to the floor. A user who changes meanwhile moves to its head, which is walked again until one page
 * suffices. A later change is left to the next sweep, which goes back to before this one began.
 */
export const sweepChanges: Step = async (run, dependencies) => {
  const { offset, floor, newest, round } = readSweep(run.cursor);
  const page = await dependencies.clerk.listRecentlyUpdated({ offset, limit: pageSize });
  const changed = page.users.filter(({ version }) => version > floor);
  const compared = await comparePage({ users: changed, unreadable: page.unreadable }, run, dependencies);
  const seen = Math.max(newest, ...changed.map(({ version }) => version));
  if (page.users.length > 0 && changed.length === page.users.length) {
    return { ...compared, cursor: { offset: offset + pageSize - overlap, floor, newest: seen, round } };
  }
  if (seen > floor && offset > 0 && round < mostRounds) {
    return { ...compared, cursor: { offset: 0, floor: seen, newest: seen, round: round + 1 } };
  }
  return { ...compared, phase: "settle" };
};

function readSweep(cursor: Run["cursor"]) {
  const read = (name: string, otherwise: number) => Number(cursor[name] ?? otherwise);
  const floor = read("floor", 0);
  return { offset: read("offset", 0), floor, newest: read("newest", floor), round: read("round", 1) };
}
