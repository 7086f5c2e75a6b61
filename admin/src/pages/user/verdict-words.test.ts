import { expect, test } from "vitest";
import type { Place, Verdict } from "#core/admin/contract/users.ts";
import { formatTime } from "../../format-time.ts";
import { describeVerdict, findElsewhere, findOtherUsers, removesByResync, withReadableTimes } from "./verdict-words.ts";

const verdict: Verdict = { code: "stale", in_step: false, what: "", remedy: "", job_id: null };
const place = (state: Place["state"]): Place => ({ state, reason: null, id: null, values: {} });

test("an id that nobody has is not said to be in step", () => {
  expect(describeVerdict({ ...verdict, code: "unknown_user", in_step: true }).title).toBe("Nobody has this id");
});

test("what nobody could find out is not known, what is being applied is on its way, all else is in step or out of it", () => {
  const titles = (["auth_unanswered", "under_way", "stale", "constructor"] as const).map(
    (code) => describeVerdict({ ...verdict, code }).title,
  );
  expect(titles).toEqual(["Not known", "On its way", "Out of step: a change at Clerk has not come", "Out of step"]);
  expect(describeVerdict({ ...verdict, code: "in_step", in_step: true }).title).toBe("In step");
});

test("only what somebody should mend interrupts who listens to the page", () => {
  const roles = (["stale", "clerk_unanswered", "under_way", "refresh_due", "unknown_user", "deleted"] as const).map(
    (code) => describeVerdict({ ...verdict, code }).role,
  );
  expect(roles).toEqual(["alert", "alert", "status", "status", "status", "status"]);
  expect(describeVerdict({ ...verdict, code: "in_step", in_step: true }).role).toBe("status");
});

test("a remedy that is on another page leads there", () => {
  expect(findElsewhere("delete_brake")).toMatchObject({ to: "/#brake", isFirst: true });
  expect(findElsewhere("never_delivered")).toMatchObject({ to: "/reconcile", isFirst: false });
  expect(findElsewhere("stale")).toBeNull();
});

test("times in a sentence read as everywhere on the page", () => {
  const [first, second] = ["2026-11-25T06:50:19.123456+00:00", "2026-11-24T01:02:03Z"];
  expect(withReadableTimes(`Due at ${first}. Since ${second}.`)).toBe(
    `Due at ${formatTime(first)}. Since ${formatTime(second)}.`,
  );
  expect(withReadableTimes("no time")).toBe("no time");
});

test("another user whom the verdict names is found once, the user themselves is not", () => {
  const named = { ...verdict, what: "held by user_b.", remedy: "Resync user_b, then user_a." };
  expect(findOtherUsers({ clerk_id: "user_a", verdict: named })).toEqual(["user_b"]);
});

test("a resync removes a user whom Clerk does not have, and only if they are here", () => {
  const [present, absent, unknown] = [place("present"), place("absent"), place("unknown")];
  expect(removesByResync({ clerk: absent, users: present, auth: absent })).toBe(true);
  expect(removesByResync({ clerk: absent, users: absent, auth: present })).toBe(true);
  expect(removesByResync({ clerk: absent, users: absent, auth: absent })).toBe(false);
  expect(removesByResync({ clerk: unknown, users: present, auth: present })).toBe(false);
});
