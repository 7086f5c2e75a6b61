import { describe, expect, test } from "vitest";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { jsonBytes } from "../../../tests/support/clerk/clerk-fixture.ts";
import { allRecords } from "../../../tests/support/clerk/record-fields.ts";
import { planDeliveries } from "../plan-deliveries.ts";
import { planScenario } from "../plan-scenario.ts";
import { buildOrganizationEvent, buildOrganizationMessage } from "./build-organization-event.ts";
import { drawOrganizations, type MembershipState, type OrganizationHistory } from "./draw-organization.ts";
import { expectOrganization } from "./expect-organization.ts";

const scenario = planScenario({ seed: 7, count: 300, users: 100, now: Date.UTC(2026, 10, 24) });
const histories = drawOrganizations(scenario, 60);
const happenings = histories.flat();
const joins = (history: OrganizationHistory): MembershipState[] =>
  history.flatMap((each) => (each.type === "organizationMembership.created" ? [each.membership] : []));

describe("a history", () => {
  test("is the same for the same scenario", () => {
    expect(drawOrganizations(scenario, 60)).toEqual(histories);
  });

  test("strictly increases in time, and all of it happened before now", () => {
    for (const history of histories) {
      const times = history.map(({ at }) => at);
      expect(times.every((time, place) => place === 0 || time > (times[place - 1] ?? 0))).toBe(true);
      expect(times.at(-1)).toBeLessThan(scenario.now);
    }
  });

  test("begins with the organization and its first admin", () => {
    for (const history of histories) {
      expect(history.slice(0, 2).map(({ type }) => type)).toEqual([
        "organization.created",
        "organizationMembership.created",
      ]);
    }
  });

  test("of all together has every kind of event, and members who leave and come back by another membership", () => {
    expect(new Set(happenings.map(({ type }) => type))).toEqual(
      new Set([
        "organization.created",
        "organization.updated",
        "organization.deleted",
        "organizationMembership.created",
        "organizationMembership.updated",
        "organizationMembership.deleted",
        "organizationInvitation.created",
        "organizationInvitation.accepted",
      ]),
    );
    const cameBack = histories.some((history) => {
      const users = joins(history).map(({ userId }) => userId);
      return new Set(users).size < users.length;
    });
    expect(cameBack).toBe(true);
    const ids = histories.flatMap(joins).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("every event is one that the webhook takes, and each has a message id of its own", () => {
  for (const happening of happenings) {
    const event = parseEvent(jsonBytes(buildOrganizationEvent(happening)), allRecords);
    expect(event).toMatchObject({ type: happening.type, instanceId: expect.stringMatching(/^ins_/) });
  }
  const ids = happenings.map((happening, event) => buildOrganizationMessage(scenario, event, happening).id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("a deletion of a membership is later than its updated_at says", () => {
  const deletions = happenings.filter(({ type }) => type === "organizationMembership.deleted");
  expect(deletions.length).toBeGreaterThan(0);
  for (const happening of deletions) {
    const { data, timestamp } = buildOrganizationEvent(happening);
    expect(timestamp).toBeGreaterThan((data as { updated_at: number }).updated_at);
  }
});

describe("what must be there in the end", () => {
  const nobody = () => false;

  test("does not depend on the order in which it is told", () => {
    for (const history of histories) {
      const backwards = history.toReversed() as unknown as OrganizationHistory;
      const sorted = (of: OrganizationHistory) =>
        expectOrganization(of, nobody).sort((one, other) => (one.id < other.id ? -1 : 1));
      expect(sorted(backwards)).toEqual(sorted(history));
    }
  });

  test("is one membership of a user in an organization at most, and none of one that is deleted", () => {
    for (const history of histories) {
      const rows = expectOrganization(history, nobody);
      const users = rows.flatMap(({ kind, row }) => (kind === "membership" && row !== null ? [row["user_id"]] : []));
      expect(new Set(users).size).toBe(users.length);
      if (history.at(-1)?.type === "organization.deleted") expect(rows.every(({ row }) => row === null)).toBe(true);
      else expect(users.length).toBeGreaterThan(0);
    }
  });

  test("is no membership of a user who is gone", () => {
    const [first] = histories;
    if (first === undefined) throw new Error("there are histories");
    const rows = expectOrganization(first, () => true);
    expect(rows.filter(({ kind, row }) => kind === "membership" && row !== null)).toEqual([]);
  });
});

test("their events are delivered among those of the users, in the order in which they happened", () => {
  const times = happenings.map(({ at }) => at);
  const deliveries = Array.from(planDeliveries(scenario, { shuffle: false, duplicate: false }, times));
  expect(deliveries.toSorted((one, other) => one - other)).toEqual(
    Array.from({ length: scenario.events + times.length }, (_, event) => event),
  );
  const own = deliveries
    .filter((event) => event >= scenario.events)
    .map((event) => times[event - scenario.events] ?? 0);
  expect(own).toEqual(own.toSorted((one, other) => one - other));
  expect(deliveries.slice(-times.length)).not.toEqual(deliveries.filter((event) => event >= scenario.events));
});
