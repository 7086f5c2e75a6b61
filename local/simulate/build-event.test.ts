import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { buildEvent, buildMessage } from "./build-event.ts";
import { createHistories, drawHistory, type Happening } from "./draw-history.ts";
import { newUser, type UserKind } from "./new-user.ts";
import { planScenario } from "./plan-scenario.ts";
import { createRandom } from "./random.ts";

const scenario = planScenario({ seed: 1, count: 900, users: 300, now: Date.UTC(2026, 10, 24) });
const histories = Array.from({ length: scenario.users }, (_, user) => drawHistory(scenario, user));
const happenings = histories.flat();
const decoder = new TextDecoder();

/** The paths of a value and the type at each; null counts as any type, metadata may hold anything. */
function shapeOf(value: unknown, path = ""): Record<string, string> {
  if (/metadata$/.test(path) || value === null) return { [path]: "any" };
  if (Array.isArray(value))
    return Object.assign({ [path]: "array" }, ...value.map((item) => shapeOf(item, `${path}[]`)));
  if (typeof value !== "object") return { [path]: typeof value };
  const parts = Object.entries(value).map(([key, item]) => shapeOf(item, `${path}.${key}`));
  return Object.assign({ [path]: "object" }, ...parts);
}

function fixtureShape(name: string): Record<string, string> {
  const file = new URL(`../../tests/fixtures/clerk/${name}.json`, import.meta.url);
  return shapeOf(JSON.parse(readFileSync(file, "utf8")));
}

function expectSameShape(actual: Record<string, string>, fixture: Record<string, string>): void {
  expect(Object.keys(actual).toSorted()).toEqual(Object.keys(fixture).toSorted());
  for (const [path, type] of Object.entries(actual)) {
    if (type !== "any" && fixture[path] !== "any") expect([path, type]).toEqual([path, fixture[path]]);
  }
}

function signUp(kind: UserKind): Happening {
  const draw = { key: `test/${kind}`, tag: "tag0000000", number: 1, random: createRandom(kind) };
  return { type: "user.created", at: 1_763_887_200_321, user: newUser(draw, 1_763_887_200_000, kind) };
}

test.each([
  ["email", "user.created"],
  ["several-emails", "user.created"],
  ["google", "user.created.oauth-google"],
  ["phone", "user.created.phone-only"],
] as const)("a new %s user has exactly the keys and types of the fixture %s", (kind, fixture) => {
  expectSameShape(shapeOf(buildEvent(signUp(kind))), fixtureShape(fixture));
});

test("every change keeps the keys and types of a full snapshot", () => {
  const fixtures = ["user.created", "user.created.oauth-google", "user.created.phone-only"];
  const known = Object.assign({}, ...fixtures.map(fixtureShape));
  const required = Object.keys(fixtureShape("user.created")).filter((path) => !path.includes("[]"));
  for (const happening of happenings.filter(({ type }) => type === "user.updated")) {
    const shape = shapeOf(buildEvent(happening));
    expect(Object.keys(shape)).toEqual(expect.arrayContaining(required));
    expect(Object.keys(shape).filter((path) => !(path in known))).toEqual([]);
  }
});

test("a deletion has the keys of the fixture; external_id only when the user had one", () => {
  const deletions = happenings.filter(({ type }) => type === "user.deleted");
  const withId = fixtureShape("user.deleted");
  const { ".data.external_id": _, ...withoutId } = withId;
  expect(deletions.length).toBeGreaterThan(10);
  for (const deletion of deletions) {
    expectSameShape(shapeOf(buildEvent(deletion)), deletion.user.externalId === null ? withoutId : withId);
  }
});

test("the envelope's timestamp is data.updated_at, in milliseconds", () => {
  for (const happening of happenings) {
    const { data, timestamp } = buildEvent(happening);
    expect(timestamp).toBe(happening.at);
    if ("updated_at" in data) expect(data.updated_at).toBe(timestamp);
  }
});

test("every snapshot carries a private secret and the primary ids point at what is there", () => {
  for (const { data } of happenings.map(buildEvent)) {
    if (!("updated_at" in data)) continue;
    expect(data.private_metadata.billing_token).toMatch(/^sk_simulated_/);
    const ids = [null, ...data.email_addresses.map(({ id }) => id), ...data.phone_numbers.map(({ id }) => id)];
    expect(ids).toContain(data.primary_email_address_id);
    expect(ids).toContain(data.primary_phone_number_id);
  }
});

test("ids have Clerk's shape, no two messages share one, and no two users share an address or a phone", () => {
  const messages = Array.from(scenario.ownerOf, (user, event) =>
    buildMessage(scenario, event, histories[user] ?? fail()),
  );
  expect(new Set(messages.map(({ id }) => id)).size).toBe(scenario.events);
  for (const { id } of messages) expect(id).toMatch(/^msg_[0-9A-Za-z]{27}$/);

  const owners = new Map<string, string>();
  for (const { user } of happenings) {
    expect(user.id).toMatch(/^user_[0-9A-Za-z]{27}$/);
    const contacts = [...user.emails.map(({ address }) => address), user.phone?.number ?? user.id];
    for (const contact of contacts) expect(owners.get(contact) ?? user.id).toBe(user.id);
    for (const contact of contacts) owners.set(contact, user.id);
  }
});

function fail(): never {
  throw new Error("no such user");
}

test("a message is the same bytes every time it is built", () => {
  const read = createHistories(scenario);
  const build = (history: ReturnType<typeof read>) => decoder.decode(buildMessage(scenario, 5, history).body);
  const user = scenario.ownerOf[5] ?? 0;
  expect(build(read(user))).toBe(build(drawHistory(scenario, user)));
});

test("other seeds and other counts share no user, message or address", () => {
  const others = [
    { seed: 2, count: 900, users: 300 },
    { seed: 1, count: 901, users: 300 },
  ].map((run) => planScenario({ ...run, now: scenario.now }));
  const texts = [scenario, ...others].map((each) => JSON.stringify(drawHistory(each, 0)));
  const [own = [], ...foreign] = texts.map((text) => text.match(/(user|idn)_\w{27}|[\w.]+@example\.com/g) ?? []);
  expect(own.length).toBeGreaterThan(1);
  expect(own.filter((name) => foreign.flat().includes(name))).toEqual([]);
});

test("the core reads every generated event", () => {
  for (const [event, user] of scenario.ownerOf.entries()) {
    expect(parseEvent(buildMessage(scenario, event, histories[user] ?? fail()).body).type).not.toBe("unhandled");
  }
});

test("histories hold every kind of user and of change", () => {
  const last = histories.map((history) => history[0].user);
  const kinds = {
    email: last.some((user) => user.emails.length === 1 && user.google === null),
    several: last.some((user) => user.emails.length > 1 && user.emails[0]?.id !== user.primaryEmailId),
    google: last.some((user) => user.google !== null),
    phone: last.some((user) => user.phone !== null && user.emails.length === 0),
    username: last.some((user) => user.username !== null && user.emails.length === 0),
    banned: happenings.some(({ user }) => user.banned),
    unbanned: histories.some((history) =>
      history.some(({ user }, index) => user.banned && history[index + 1]?.user.banned === false),
    ),
    locked: happenings.some(({ user }) => user.locked),
    admin: happenings.some(({ user }) => user.role === "admin"),
    unknownRole: happenings.some(({ user }) => user.role === "superuser"),
    claimedRole: happenings.some(({ user }) => user.claimedRole === "admin" && user.role !== "admin"),
    surrogatePair: happenings.some(({ user }) => /[\ud800-\udbff][\udc00-\udfff]/.test(user.firstName ?? "")),
    deleted: happenings.some(({ type }) => type === "user.deleted"),
  };
  expect(Object.entries(kinds).filter(([, isThere]) => !isThere)).toEqual([]);
});
