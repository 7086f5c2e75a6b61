import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { payloadKey, type UserField, userSources } from "../config/sources.ts";
import { mapEvent } from "./map-event.ts";
import { mapUser } from "./map-user.ts";
import { parseEvent, parseUser } from "./parse-event.ts";
import { parsePage } from "./parse-page.ts";
import { userUuid } from "./user-uuid.ts";

type Data = { id: string; [field: string]: unknown };

/** The keys of payloads of all sources, with some paths of metadata. */
const allFields = [
  ...userSources.map(payloadKey).filter((key) => key !== null),
  "user_role",
  "public_metadata.plan",
  "public_metadata.a.b",
  "unsafe_metadata.theme",
] as const satisfies UserField[];

const dataOf = (name: string): Data => JSON.parse(new TextDecoder().decode(fixtureBytes(name))).data;
/** What every payload has, of a user without an external id. */
const bare = { clerk_id: "user_1", external_id: null, created_at: null };
const mapData = (data: object, ...fields: UserField[]) =>
  mapUser(parseUser({ id: "user_1", external_id: null, created_at: null, ...data }), new Set(fields));

describe("each source of a fixture", () => {
  const isSame = (some: string[], others: string[]) => String(some.toSorted()) === String(others.toSorted());
  const timeOf = (time: unknown) => (typeof time === "number" ? new Date(time).toISOString() : null);
  const orNull = (value: unknown) => value ?? null;

  /** What Clerk's OpenAPI description says of a user, read without the code under test; undefined: it says nothing. */
  function meaningOf(data: Data): Record<string, unknown> {
    const has = (...names: string[]) => names.every((name) => name in data);
    const when = (isThere: boolean, value: () => unknown) => (isThere ? value() : undefined);
    type Identification = { id: string; email_address?: string; verification?: { status: string } | null };
    const primaryOf = (list: string, id: string) =>
      (data[list] as Identification[]).find((item) => item.id === data[id]);
    const email = () => primaryOf("email_addresses", "primary_email_address_id");
    const phone = () => primaryOf("phone_numbers", "primary_phone_number_id") as Record<string, string> | undefined;
    const hasEmail = has("email_addresses", "primary_email_address_id");
    const hasPhone = has("phone_numbers", "primary_phone_number_id");
    const isVerified = (item: unknown) => (item as Identification | undefined)?.verification?.status === "verified";
    const names = [data["first_name"], data["last_name"]].filter((name) => typeof name === "string");
    const metadata = data["public_metadata"] as Record<string, unknown>;
    return {
      email: when(hasEmail, () => orNull(email()?.email_address)),
      email_verified: when(hasEmail, () => isVerified(email())),
      phone: when(hasPhone, () => orNull(phone()?.["phone_number"])),
      phone_verified: when(hasPhone, () => isVerified(phone())),
      username: data["username"],
      first_name: data["first_name"],
      last_name: data["last_name"],
      name: names.join(" ") || null,
      image_url: data["image_url"],
      has_image: data["has_image"],
      external_id: data["external_id"],
      locale: data["locale"],
      banned: data["banned"],
      locked: data["locked"],
      deprovisioned: data["deprovisioned"],
      created_at: timeOf(data["created_at"]),
      updated_at: timeOf(data["updated_at"]),
      last_sign_in_at: when(has("last_sign_in_at"), () => timeOf(data["last_sign_in_at"])),
      public_metadata: metadata,
      uuid: userUuid(data.id),
      user_role: orNull(metadata["role"]) ?? "user",
      "public_metadata.plan": orNull(metadata["plan"]),
      "public_metadata.a.b": null,
      "unsafe_metadata.theme": when(has("unsafe_metadata"), () =>
        orNull((data["unsafe_metadata"] as Record<string, unknown>)["theme"]),
      ),
    };
  }

  /** Optional in Clerk's description, and what each is when it is absent and nothing else is. */
  const empty = { image_url: null, locale: null, deprovisioned: false, "unsafe_metadata.theme": null };

  const names = fixtureNames().filter((name) => /user\.(created|updated)/.test(name));

  test.each(names)("%s means what Clerk's description says", (name) => {
    const data = dataOf(name);
    const meaning = meaningOf(data);
    const said = Object.fromEntries(Object.entries(meaning).filter(([, value]) => value !== undefined));
    const absent = Object.keys(meaning).filter((field) => !(field in said));
    const { given: _, ...mapped } = mapData(data, ...allFields);
    const rest = absent.some((field) => !(field in empty))
      ? { absent: expect.toSatisfy((all) => isSame(all, absent)) }
      : empty;
    expect(mapped).toEqual({ clerk_id: data.id, ...rest, ...said });
  });

  test("has the values that are seen in the fixture of a sign-up", () => {
    expect(mapData(dataOf("user.created"), ...allFields)).toMatchObject({
      email: "ada@example.com",
      email_verified: true,
      first_name: "Ada",
      last_name: "Lovelace",
      username: null,
      has_image: false,
      image_url: expect.stringMatching(/^https:\/\/img\.clerk\.com\//),
      created_at: "2025-11-23T08:40:00.000Z",
      updated_at: "2025-11-23T08:40:00.321Z",
    });
  });

  test.each(names)("%s is the same from an event, a page of a list and a single read", (name) => {
    const fields = new Set<UserField>(allFields);
    const event = parseEvent(fixtureBytes(name));
    if (event.type === "unhandled" || event.type === "user.deleted") throw new Error("it is no user");
    const { original_event: _, retry_count: __, ...payload } = mapEvent(event, "msg_1", fields).payload;
    const [listed] = parsePage([dataOf(name)]).users;
    expect(listed && mapUser(listed.user, fields)).toEqual(payload);
    expect(mapUser(parseUser(dataOf(name)), fields)).toEqual(payload);
  });
});

describe("a text", () => {
  test.each(["username", "first_name", "last_name", "image_url", "locale"] as const)(
    "of %s is null when it is null or blank, and loses what PostgreSQL cannot store",
    (field) => {
      expect(mapData({ [field]: null }, field)[field]).toBeNull();
      expect(mapData({ [field]: " \t" }, field)[field]).toBeNull();
      expect(mapData({ [field]: " a\0b\ud800 " }, field)[field]).toBe("ab");
    },
  );
});

describe("what is not there", () => {
  test.each(["username", "first_name", "last_name", "has_image", "last_sign_in_at"] as const)(
    "is absent where it is %s, which Clerk's description requires",
    (field) => {
      for (const data of [{}, { [field]: [{}] }]) {
        expect(mapData(data, field)).toEqual({ ...bare, absent: [field] });
      }
    },
  );

  const optional = ["image_url", "locale", "deprovisioned", "unsafe_metadata.theme"] as const;

  test("is empty where Clerk's description has it optional", () => {
    expect(mapData({}, ...optional)).toEqual({
      ...bare,
      image_url: null,
      locale: null,
      deprovisioned: false,
      "unsafe_metadata.theme": null,
    });
  });

  test("is absent of optional fields, too, when the event was trimmed, and what is there counts", () => {
    const absent = ["username", "image_url", "deprovisioned", "unsafe_metadata.theme"];
    expect(mapData({ locale: "en" }, "username", ...optional)).toEqual({ ...bare, locale: "en", absent });
  });

  test("is absent of each path of public_metadata and of the whole when that is not there", () => {
    const fields = ["public_metadata", "public_metadata.plan", "user_role"] as const;
    expect(mapData({}, ...fields)).toEqual({ ...bare, absent: fields });
  });

  test("makes an event trimmed when it is mapped, not otherwise, except the external id", () => {
    expect(mapUser(parseUser({ id: "user_1", created_at: 1, external_id: null }), new Set())).not.toHaveProperty(
      "absent",
    );
    expect(mapUser(parseUser({ id: "user_1" }), new Set())).toEqual({ clerk_id: "user_1", absent: ["external_id"] });
  });
});

describe("a number", () => {
  const numbers = (verification: unknown) => ({
    primary_phone_number_id: "idn_1",
    phone_numbers: [{ id: "idn_1", phone_number: "+15555550100", verification }],
  });

  test.each([
    [{ status: "verified" }, true],
    [{ status: "unverified" }, false],
    [null, false],
  ])("comes with whether Clerk has verified it: %j", (verification, isVerified) => {
    const phone = { ...bare, phone: "+15555550100", phone_verified: isVerified };
    expect(mapData(numbers(verification), "phone")).toEqual(phone);
  });
});

describe("a path of metadata", () => {
  const plan = (public_metadata: unknown) => mapData({ public_metadata }, "public_metadata.plan");

  test.each([["pro"], [""], [7], [1.5], [true], [null], [["a", 1]], [{ a: { b: null } }]])(
    "has the value %j as Clerk has it, and is given",
    (value) => {
      expect(plan({ plan: value })).toEqual({
        ...bare,
        "public_metadata.plan": value,
        given: ["public_metadata.plan"],
      });
    },
  );

  test.each([[{}], [{ Plan: "pro" }], [null]])("is null and not given where the metadata is %j", (metadata) => {
    expect(plan(metadata)).toEqual({ ...bare, "public_metadata.plan": null });
  });

  test("walks objects by its dots, and nothing else", () => {
    const at = (public_metadata: unknown) => mapData({ public_metadata }, "public_metadata.a.b");
    expect(at({ a: { b: 1 } })).toMatchObject({ "public_metadata.a.b": 1, given: ["public_metadata.a.b"] });
    for (const metadata of [{ "a.b": 1 }, { a: "b" }, { a: ["b"] }, { a: null }, { a: {} }, { b: 1 }]) {
      expect(at(metadata)).toEqual({ ...bare, "public_metadata.a.b": null });
    }
  });

  test.each(["toString", "__proto__", "constructor.name", "private_metadata", "a.private_metadata.b"])(
    "%s leads to nothing that is not in the JSON, and to no secret",
    (path) => {
      const field = `public_metadata.${path}` as const;
      const public_metadata = { private_metadata: "secret", a: { private_metadata: { b: "secret" } } };
      expect(mapData({ public_metadata }, field)).toEqual({ ...bare, [field]: null });
    },
  );

  test("reads unsafe_metadata only where it says so", () => {
    const both = { public_metadata: { key: "public" }, unsafe_metadata: { key: "unsafe" } };
    expect(mapData(both, "public_metadata.key", "unsafe_metadata.key")).toMatchObject({
      "public_metadata.key": "public",
      "unsafe_metadata.key": "unsafe",
      given: ["public_metadata.key", "unsafe_metadata.key"],
    });
  });

  test("has nothing that PostgreSQL cannot store, and no private_metadata in it", () => {
    const value = { "k\0": 1, text: "a\0b", private_metadata: { key: "secret" }, list: ["\ud800c"] };
    expect(plan({ plan: value })).toMatchObject({ "public_metadata.plan": { text: "ab", list: ["c"] } });
    expect(mapData({ public_metadata: { plan: value } }, "public_metadata")).toEqual({
      ...bare,
      public_metadata: { plan: { text: "ab", list: ["c"] } },
    });
  });
});

describe("a payload", () => {
  const identification = (id: string, value: object) => ({ id, ...value, verification: { status: "verified" } });
  /** An event in which every text is a canary, named by the field that it may reach. */
  const event = {
    type: "user.updated",
    object: "event",
    timestamp: 1763973600012,
    instance_id: "ins_1",
    event_attributes: { http_request: { client_ip: "canary:never", user_agent: "canary:never" } },
    canary: "canary:never",
    data: {
      id: "user_1",
      object: "user",
      external_id: "canary:external_id",
      username: "canary:username",
      first_name: "canary:first_name",
      last_name: "canary:last_name",
      image_url: "canary:image_url",
      profile_image_url: "canary:never",
      has_image: true,
      locale: "canary:locale",
      primary_email_address_id: "idn_2",
      primary_phone_number_id: "idn_3",
      email_addresses: [
        identification("idn_1", { email_address: "canary:never" }),
        identification("idn_2", { email_address: "canary:email" }),
      ],
      phone_numbers: [
        identification("idn_3", { phone_number: "canary:phone" }),
        identification("idn_4", { phone_number: "canary:never" }),
      ],
      external_accounts: [{ email_address: "canary:never", first_name: "canary:never" }],
      public_metadata: {
        role: "canary:user_role",
        plan: "canary:public_metadata.plan",
        a: { b: "canary:public_metadata.a.b", other: "canary:public_metadata" },
        private_metadata: "canary:never",
      },
      private_metadata: { key: "canary:never", role: "canary:never" },
      unsafe_metadata: { theme: "canary:unsafe_metadata.theme", role: "canary:never" },
      banned: true,
      locked: true,
      created_at: 1763887200000,
      updated_at: 1763973600000,
      last_sign_in_at: 1763973500000,
    },
  };
  const always = ["clerk_id", "external_id", "created_at", "original_event", "retry_count"];

  test("holds the fields asked for and no others, and of nothing else a value, private_metadata least of all", () => {
    fc.assert(
      fc.property(fc.subarray(allFields), (fields) => {
        const parsed = parseEvent(jsonBytes(event));
        if (parsed.type === "unhandled") throw new Error("it is handled");
        const job = mapEvent(parsed, "msg_1", new Set(fields));
        const has = (field: UserField) => fields.includes(field);
        const beside = [
          ...(["email", "phone"] as const).filter(has).map((field) => `${field}_verified`),
          ...("given" in job.payload ? ["given"] : []),
        ];
        expect(new Set(Object.keys(job.payload))).toEqual(new Set([...always, ...fields, ...beside]));

        const seen = new Set([...JSON.stringify(job).matchAll(/canary:([\w.]+)/g)].map(([, field]) => field));
        const names: UserField[] = has("name") ? ["first_name", "last_name"] : [];
        const whole = has("public_metadata");
        const metadata: UserField[] = ["user_role", "public_metadata", "public_metadata.plan", "public_metadata.a.b"];
        const mayReach = new Set([...fields, ...names, ...(whole ? metadata : []), "external_id"]);
        expect([...seen].filter((field) => !mayReach.has(field as UserField))).toEqual([]);
        const texts = fields.filter((field) => JSON.stringify(event).includes(`"canary:${field}"`));
        expect(texts.filter((field) => !seen.has(field))).toEqual([]);
      }),
    );
  });
});
