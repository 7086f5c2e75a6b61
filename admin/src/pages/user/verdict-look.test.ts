import { expect, test } from "vitest";
import type { Place, Verdict } from "#core/admin/contract/users.ts";
import { formatTime } from "../../format-time.ts";
import { findElsewhere, lookOf, removesByResync, withReadableTimes } from "./verdict-look.ts";

const verdict: Verdict = {
  code: "stale",
  in_step: false,
  title: "",
  what: "",
  remedy: "",
  job_id: null,
  other_clerk_id: null,
};
const place = (state: Place["state"]): Place => ({ state, reason: null, id: null, values: {} });

test("an id that nobody has does not look like a user in sync", () => {
  expect(lookOf({ ...verdict, code: "unknown_user", in_step: true })).toMatchObject({ icon: "info", color: "blue" });
});

test("a verdict that is not known or out of sync warns, one that changes by itself informs, in sync is checked", () => {
  const looks = (["auth_unanswered", "under_way", "stale"] as const).map((code) => lookOf({ ...verdict, code }).icon);
  expect(looks).toEqual(["warning", "info", "warning"]);
  expect(lookOf({ ...verdict, code: "in_step", in_step: true }).icon).toBe("check");
});

test("only what a person should act on interrupts people who listen to the page", () => {
  const roles = (["stale", "clerk_unanswered", "under_way", "refresh_due"] as const).map(
    (code) => lookOf({ ...verdict, code }).role,
  );
  expect(roles).toEqual(["alert", "alert", "status", "status"]);
  const calm = (["unknown_user", "deleted", "in_step"] as const).map(
    (code) => lookOf({ ...verdict, code, in_step: true }).role,
  );
  expect(calm).toEqual(["status", "status", "status"]);
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

test("a resync removes a user whom Clerk does not have, and only if they are here", () => {
  const [present, absent, unknown] = [place("present"), place("absent"), place("unknown")];
  expect(removesByResync({ clerk: absent, users: present, auth: absent })).toBe(true);
  expect(removesByResync({ clerk: absent, users: absent, auth: present })).toBe(true);
  expect(removesByResync({ clerk: absent, users: absent, auth: absent })).toBe(false);
  expect(removesByResync({ clerk: unknown, users: present, auth: present })).toBe(false);
});
