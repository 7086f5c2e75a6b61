import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fixtureBytes, fixtureNames, jsonBytes } from "../../../../../tests/support/clerk/clerk-fixture.ts";
import { rootFields } from "../../../../../tests/support/clerk/root-fields.ts";
import { mapUser } from "./map-user.ts";
import { type ClerkUser, parseEvent } from "./parse-event.ts";

function userOf(body: Uint8Array): ClerkUser {
  const event = parseEvent(body);
  if (event.type !== "user.created" && event.type !== "user.updated") throw new Error(`parsed as ${event.type}`);
  return event.user;
}

const mapFixture = (name: string) => mapUser(userOf(fixtureBytes(name)), rootFields);
/** Every field that the sync reads, without a value. */
const empty = {
  id: "user_1",
  external_id: null,
  first_name: null,
  last_name: null,
  primary_email_address_id: null,
  primary_phone_number_id: null,
  email_addresses: [],
  phone_numbers: [],
  public_metadata: {},
  banned: false,
  locked: false,
  deprovisioned: false,
  created_at: null,
};
const mapData = (data: Record<string, unknown>) =>
  mapUser(userOf(jsonBytes({ type: "user.updated", data: { ...empty, ...data } })), rootFields);

const nobody = {
  email: null,
  email_verified: false,
  phone: null,
  phone_verified: false,
  name: null,
  user_role: "user",
  external_id: null,
  banned: false,
  locked: false,
  deprovisioned: false,
  created_at: null,
};

describe("fixtures", () => {
  test.each(fixtureNames().filter((name) => /user\.(created|updated)/.test(name)))(
    "%s is mapped to its own id",
    (name) => {
      expect(mapFixture(name).clerk_id).toBe(userOf(fixtureBytes(name)).id);
    },
  );

  test("a sign-up with email and password", () => {
    expect(mapFixture("user.created")).toEqual({
      ...nobody,
      clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      email: "ada@example.com",
      email_verified: true,
      name: "Ada Lovelace",
      created_at: "2025-11-23T08:40:00.000Z",
    });
  });

  test("a sign-up with a phone only has no email and no name", () => {
    expect(mapFixture("user.created.phone-only")).toEqual({
      ...nobody,
      clerk_id: "user_35rUa9BcDeFgHiJkLmNoPqRsTuV",
      phone: "+15555550100",
      phone_verified: true,
      created_at: "2025-11-23T08:40:01.000Z",
    });
  });

  test("a sign-up with Google", () => {
    expect(mapFixture("user.created.oauth-google")).toEqual({
      ...nobody,
      clerk_id: "user_35rVoAuThGoOgLeUsErIdXyZ012",
      email: "grace.hopper@gmail.example",
      email_verified: true,
      name: "Grace Hopper",
      created_at: "2025-11-23T08:40:02.000Z",
    });
  });

  test("an update that moved the primary email, set the role and the external id", () => {
    expect(mapFixture("user.updated")).toEqual({
      ...nobody,
      clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      email: "ada.lovelace@example.org",
      email_verified: true,
      name: "Ada & Co <math> Lovelace",
      user_role: "admin",
      given: ["public_metadata.role"],
      external_id: "legacy-42",
      created_at: "2025-11-23T08:40:00.000Z",
    });
  });

  test("a banned user", () => {
    expect(mapFixture("user.updated.banned")).toEqual({
      ...nobody,
      clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
      email: "ada.lovelace@example.org",
      email_verified: true,
      name: "Ada & Co <math> Lovelace",
      banned: true,
      created_at: "2025-11-23T08:40:00.000Z",
    });
  });

  test("a user made by Clerk's API with a reserved email has an unverified one, as it was written", () => {
    expect(mapFixture("user.created.backend-api-reserved-email")).toEqual({
      ...nobody,
      clerk_id: "user_35rWbAcKeNdApIuSeR000000001",
      email: "Mixed.Case@Example.com",
      external_id: "crm-7781",
      created_at: "2025-11-23T08:40:03.000Z",
    });
  });

  test("the OpenAPI sample, whose primary email id points at no address, has no email", () => {
    expect(mapFixture("openapi-sample.user.created.seconds-timestamp")).toEqual({
      ...nobody,
      clerk_id: "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S",
      name: "John Doe",
      created_at: "2024-05-28T08:00:00.000Z",
    });
  });

  test("the sparse sample of Clerk's dashboard", () => {
    const { banned: _, locked: __, deprovisioned: ___, ...said } = nobody;
    expect(mapFixture("dashboard-sample.user.created")).toEqual({
      ...said,
      clerk_id: "user_29w83sxmDNGwOuEthce5gg56FcC",
      email: "example@example.org",
      email_verified: true,
      name: "Example Example",
      external_id: "567772",
      absent: ["banned", "locked", "deprovisioned"],
      created_at: "2022-05-31T15:56:31.514Z",
    });
  });
});

describe("primary email and phone", () => {
  const verified = { status: "verified" };

  test("a number that comes without its verification is not known", () => {
    const numbers = { primary_phone_number_id: "idn_p", phone_numbers: [{ id: "idn_p", phone_number: "+1555" }] };
    expect(mapData(numbers)).not.toHaveProperty("phone");
  });

  const identifications = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 8 });

  test("are those the primary ids point at, wherever they stand, and none when they point elsewhere", () => {
    fc.assert(
      fc.property(identifications, fc.integer({ min: 0, max: 30 }), (numbers, primary) => {
        const mapped = mapData({
          primary_email_address_id: `idn_e${primary}`,
          primary_phone_number_id: `idn_p${primary}`,
          email_addresses: numbers.map((n) => ({
            id: `idn_e${n}`,
            email_address: `${n}@example.com`,
            verification: null,
          })),
          phone_numbers: numbers.map((n) => ({ id: `idn_p${n}`, phone_number: `+1555${n}`, verification: verified })),
        });
        const isThere = numbers.includes(primary);
        expect(mapped.email).toBe(isThere ? `${primary}@example.com` : null);
        expect(mapped.phone).toBe(isThere ? `+1555${primary}` : null);
      }),
    );
  });

  test.each([null, ""])("are none when the primary id is %o", (id) => {
    const mapped = mapData({
      primary_email_address_id: id,
      primary_phone_number_id: id,
      email_addresses: [{ id: "idn_1", email_address: "a@example.com", verification: { status: "verified" } }],
      phone_numbers: [{ id: "idn_2", phone_number: "+15550100" }],
    });
    expect(mapped).toEqual({ ...nobody, clerk_id: "user_1" });
  });

  test.each([
    [{ status: "verified" }, true],
    [{ status: "unverified" }, false],
    [{ status: "expired" }, false],
    [{ status: null }, false],
    [{}, false],
    [null, false],
    ["verified", false],
    [{ status: "verified\0" }, false],
  ])("with the verification %o the email is verified: %s", (verification, isVerified) => {
    const address = { id: "idn_1", email_address: "a@example.com", verification };
    const other = { id: "idn_2", email_address: "b@example.com", verification: { status: "verified" } };
    const mapped = mapData({ primary_email_address_id: "idn_1", email_addresses: [other, address] });
    expect(mapped).toMatchObject({ email: "a@example.com", email_verified: isVerified });
  });

  test("lose surrounding space, and are none when nothing is left", () => {
    const primaries = { primary_email_address_id: "idn_1", primary_phone_number_id: "idn_2" };
    const withText = (email: string, phone: string) =>
      mapData({
        ...primaries,
        email_addresses: [{ id: "idn_1", email_address: email, verification: null }],
        phone_numbers: [{ id: "idn_2", phone_number: phone, verification: verified }],
      });
    expect(withText(" a@example.com ", "\t+1555")).toMatchObject({ email: "a@example.com", phone: "+1555" });
    expect(withText(" ", "")).toMatchObject({ email: null, phone: null });
  });
});

describe("name", () => {
  test.each([
    ["Ada", "Lovelace", "Ada Lovelace"],
    [" Ada ", " Lovelace ", "Ada Lovelace"],
    ["Ada", null, "Ada"],
    [null, "Lovelace", "Lovelace"],
    ["", "Lovelace", "Lovelace"],
    ["  ", "", null],
    [null, null, null],
  ])("%o and %o make %o", (first, last, name) => {
    expect(mapData({ first_name: first, last_name: last }).name).toBe(name);
  });
});

describe("role", () => {
  test("comes from public_metadata.role", () => {
    expect(mapData({ public_metadata: { role: "admin" } }).user_role).toBe("admin");
  });

  test("is user when public_metadata has no role", () => {
    expect(mapData({ public_metadata: {} })).toEqual({ ...nobody, clerk_id: "user_1" });
  });

  test.each([[null], [["admin"]], [{ role: "admin" }], [1], [true], [""]])(
    "is %j when public_metadata.role is that: the database knows which roles may be stored",
    (role) => {
      expect(mapData({ public_metadata: { role } })).toEqual({
        ...nobody,
        clerk_id: "user_1",
        user_role: role,
        given: ["public_metadata.role"],
      });
    },
  );

  test.each(["admin\0", "ad\ud800min"])(
    "is the empty one when public_metadata.role is %j, which no text can hold",
    (role) => {
      expect(mapData({ public_metadata: { role } })).toMatchObject({ user_role: "", given: ["public_metadata.role"] });
    },
  );

  test("is no other key that would have to be changed to be role", () => {
    expect(mapData({ public_metadata: { "role\0": "admin" } }).user_role).toBe("user");
  });

  test("is never taken from what the user can write or from any other place", () => {
    const places = fc.constantFrom("unsafe_metadata", "private_metadata", "metadata", "role", "user_role", "scim");
    const values = fc.oneof(fc.constant("admin"), fc.constant({ role: "admin" }), fc.jsonValue());
    fc.assert(
      fc.property(fc.dictionary(places, values), (data) => {
        expect(mapData({ ...data, public_metadata: {} }).user_role).toBe("user");
      }),
    );
  });
});

describe("the time of sign-up", () => {
  test.each([
    [1763887200000, "2025-11-23T08:40:00.000Z"],
    [1763887200, "2025-11-23T08:40:00.000Z"],
    [253_402_300_799_999, "9999-12-31T23:59:59.999Z"],
    [253_402_300_800_000, null], // PostgreSQL does not read the ISO form of year 10000
    [0, null],
    [-1, null],
    [null, null],
    ["1763887200000", null],
  ])("%o is %o", (createdAt, expected) => {
    expect(mapData({ created_at: createdAt }).created_at).toBe(expected);
  });
});

test.each(["banned", "locked", "deprovisioned"])("%s alone is mapped to itself alone", (flag) => {
  expect(mapData({ [flag]: true })).toEqual({ ...nobody, clerk_id: "user_1", [flag]: true });
});

describe("absent is not null", () => {
  const withoutFields = (...fields: string[]) => mapData(Object.fromEntries(fields.map((field) => [field, undefined])));

  test.each([
    ["email", ["email_addresses"]],
    ["email", ["primary_email_address_id"]],
    ["phone", ["phone_numbers"]],
    ["phone", ["primary_phone_number_id"]],
    ["name", ["first_name"]],
    ["name", ["last_name"]],
    ["user_role", ["public_metadata"]],
    ["external_id", ["external_id"]],
    ["banned", ["banned"]],
    ["locked", ["locked"]],
    ["created_at", ["created_at"]],
  ])("nothing is said of the %s without %o", (field, missing) => {
    const mapped = withoutFields(...missing);
    expect(mapped.absent).toEqual([field]);
    expect(mapped).not.toHaveProperty(field);
    expect(mapData({})).not.toHaveProperty("absent");
  });

  test("an optional field that is not there has its empty value", () => {
    expect(withoutFields("deprovisioned")).toEqual({ ...nobody, clerk_id: "user_1" });
  });

  test.each(["email_addresses", "phone_numbers", "public_metadata", "banned", "locked", "external_id"])(
    "%s that is null is empty",
    (field) => {
      expect(mapData({ [field]: null })).toEqual({ ...nobody, clerk_id: "user_1" });
    },
  );

  test("a primary address without its verification, or in a form that cannot be read, is not known", () => {
    const primary = { primary_email_address_id: "idn_1" };
    const address = { id: "idn_1", email_address: "a@example.com" };
    const readable = { id: "idn_2", email_address: "b@example.com", verification: null };
    expect(mapData({ ...primary, email_addresses: [address, readable] }).absent).toEqual(["email"]);
    expect(mapData({ ...primary, email_addresses: [{ id: "idn_1" }, readable] }).absent).toEqual(["email"]);
  });

  test("an address that would have to be changed to be stored is not taken for another", () => {
    for (const email_address of ["a\0@example.com", "a\ud800@example.com"]) {
      const address = { id: "idn_1", email_address, verification: { status: "verified" } };
      const mapped = mapData({ primary_email_address_id: "idn_1", email_addresses: [address] });
      expect(mapped.absent).toEqual(["email"]);
    }
  });
});

test("an empty external id is none", () => {
  expect(mapData({ external_id: "" }).external_id).toBeNull();
});
