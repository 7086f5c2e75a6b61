import { createCheckAuthorization } from "@clerk/shared/authorization";
import { __experimental_JWTPayloadToAuthObjectProperties as parseClaims } from "@clerk/shared/jwtPayloadParser";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";

type Asked = { permissions: readonly string[]; features: readonly string[] };
type Answer = {
  user: string | null;
  org: string | null;
  slug: string | null;
  role: string | null;
  actor: string | null;
  permissions: boolean[];
  features: boolean[];
  plans: boolean[];
};

let database: TestDatabase;
let client: pg.PoolClient;
beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.pool.connect();
  await client.query(`
    create function public.ask(p_claims text, p_permissions text[], p_features text[])
    returns jsonb
    language plpgsql
    as $$
    begin
      perform set_config('request.jwt.claims', p_claims, false);
      return jsonb_build_object(
        'user', clerk.user_id(),
        'org', clerk.org_id(),
        'slug', clerk.org_slug(),
        'role', clerk.org_role(),
        'actor', clerk.actor_id(),
        'permissions', (select jsonb_agg(clerk.has_permission(a.key) order by a.place) from unnest(p_permissions) with ordinality as a(key, place)),
        'features', (select jsonb_agg(clerk.has_feature(a.key) order by a.place) from unnest(p_features) with ordinality as a(key, place)),
        'plans', (select jsonb_agg(clerk.has_plan(a.key) order by a.place) from unnest(p_features) with ordinality as a(key, place)),
        'tables', jsonb_build_array(
          (select count(*) from clerk.my_org_ids()), clerk.is_member('org_1'), clerk.member_role('org_1'),
          clerk.member_has_permission('org_1', 'org:a:read')
        )
      );
    end
    $$`);
  await client.query("set role authenticated");
});
afterAll(async () => {
  client?.release();
  await database?.drop();
});

/** What the helpers say of each token, in one call. */
async function ask(tokens: readonly (Asked & { text: string })[]): Promise<(Answer & { tables: unknown })[]> {
  const { rows } = await client.query(
    `select public.ask(t.token ->> 'text', p.keys, f.keys) as answer
     from jsonb_array_elements($1::jsonb) with ordinality as t(token, place)
     cross join lateral (select array_agg(k.key) from jsonb_array_elements_text(t.token -> 'permissions') as k(key)) as p(keys)
     cross join lateral (select array_agg(k.key) from jsonb_array_elements_text(t.token -> 'features') as k(key)) as f(keys)
     order by t.place`,
    [JSON.stringify(tokens)],
  );
  return rows.map(({ answer }) => answer);
}

const nothing = { user: null, org: null, slug: null, role: null, actor: null };

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

type Claims = Record<string, unknown>;
const isClaims = (value: unknown): value is Claims =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What the SDK makes of the claims; null where it raises. */
function parse(claims: Claims): ReturnType<typeof parseClaims> | null {
  try {
    return parseClaims(claims as unknown as Parameters<typeof parseClaims>[0]);
  } catch {
    return null;
  }
}

/** What the SDK says of a token; a claim of a wrong type, which it may pass on, is none. */
function askSdk(claims: Claims, { permissions, features }: Asked): Answer {
  const org = isClaims(claims["o"]) ? claims["o"] : {};
  // which of features and permissions is malformed says nothing of who it is
  const who = parse({ ...claims, fea: undefined, o: claims["o"] && { ...org, per: undefined, fpm: undefined } });
  const parsed = parse(claims);
  const isRole = claims["v"] === 2 ? text(org["rol"]) !== null : true;
  const all = Array.isArray(parsed?.orgPermissions) ? parsed.orgPermissions : [];
  const isOfOrganization = text(who?.userId) !== null && text(who?.orgId) !== null;
  const has = createCheckAuthorization({
    userId: text(who?.userId),
    orgId: text(who?.orgId),
    orgRole: text(parsed?.orgRole),
    orgPermissions: parsed?.orgPermissions as string[],
    factorVerificationAge: null,
    features: claims["fea"] as string,
    plans: claims["pla"] as string,
  });
  return {
    user: text(who?.userId),
    org: text(who?.orgId),
    slug: text(who?.orgSlug),
    role: isRole ? text(who?.orgRole) : null,
    actor: text((claims["act"] as Claims | null | undefined)?.["sub"]),
    // has() adds the prefix that a key lacks, and takes a second one away; the helper takes the full key
    permissions: permissions.map((key) =>
      /^org:(?!org:)/.test(key) ? has({ permission: key }) : isOfOrganization && all.includes(key),
    ),
    features: features.map((feature) => has({ feature })),
    plans: features.map((plan) => has({ plan })),
  };
}

const names = ["dashboard", "teams", "a", "b", "read", "manage", "", "x:y", "org", "user", "org:a"];
const name = fc.constantFrom(...names);
const space = fc.constantFrom("", "", "", "", " ", "\t", "\n", "\v", "\u00a0", "\ufeff", "\u3000");
const around = (part: fc.Arbitrary<string>) => fc.tuple(space, part, space).map((parts) => parts.join(""));
const listOf = (part: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(around(part), { maxLength }).map((parts) => parts.join(","));

const scope = fc.constantFrom("o", "o", "o", "u", "ou", "uo", "org", "x", "", "O", "o ");
const entry = fc.oneof(
  { weight: 60, arbitrary: fc.tuple(scope, name).map(([of, value]) => `${of}:${value}`) },
  { weight: 1, arbitrary: fc.constantFrom("dashboard", "", "o") },
);
const integer = fc.oneof(
  { weight: 8, arbitrary: fc.nat(15).map(String) },
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 200n }).map(String) },
  { weight: 2, arbitrary: fc.nat(15).map((number) => `000${number}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "-1", "+1", "1.0", "1e3", "0x3", "x", "1 1", "\u0663", "9".repeat(400), "NaN"),
  },
);

/** Anything but what belongs there. */
const wrong = fc.constantFrom<unknown>(
  null,
  undefined,
  "",
  0,
  7,
  1.5,
  true,
  false,
  [],
  ["o:a"],
  {},
  { id: "org_1" },
  "x",
);
const orWrong = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary }, { weight: 1, arbitrary: wrong });

const features = listOf(entry, 6);
const permissions = fc.oneof(listOf(name, 5), listOf(name, 90));
const organization = fc.record(
  {
    id: orWrong(fc.constantFrom("org_1", "org_2")),
    slg: orWrong(fc.constant("acme")),
    rol: orWrong(fc.constantFrom("admin", "member", "org:admin")),
    per: orWrong(permissions),
    fpm: orWrong(listOf(integer, 6)),
  },
  { requiredKeys: ["id"] },
);
const claims = fc.record(
  {
    sub: orWrong(fc.constantFrom("user_1", "user_2")),
    v: fc.constantFrom<unknown>(2, 2, 2, 2, 1, "2", null, undefined, 3, true, [2]),
    o: orWrong(organization),
    fea: orWrong(features),
    pla: orWrong(features),
    act: orWrong(fc.record({ sub: orWrong(fc.constant("user_admin")) }, { requiredKeys: [] })),
    org_id: orWrong(fc.constant("org_3")),
    org_slug: orWrong(fc.constant("old")),
    org_role: orWrong(fc.constantFrom("org:admin", "admin")),
    org_permissions: orWrong(fc.array(fc.constantFrom<unknown>("org:a:read", "org:b:manage", "a", 1, null, []))),
  },
  { requiredKeys: ["sub", "v", "o", "fea"] },
);

const key = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, name).map((parts) => `org:${parts.join(":")}`) },
  { weight: 1, arbitrary: fc.constantFrom("org:a:read", "org:b:manage") },
);
const asked = fc.oneof(
  name,
  fc
    .tuple(fc.constantFrom("org", "user", "o", "u", "organization", "x", ""), name)
    .map(([of, value]) => `${of}:${value}`),
);
const tokens = fc.record({
  claims,
  permissions: fc.array(key, { minLength: 12, maxLength: 12 }),
  features: fc.array(asked, { minLength: 8, maxLength: 8 }),
});

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);

it("the helpers say of 10,000 random tokens what the SDK says", async () => {
  console.log(`SEED=${seed}`);
  const random = fc.sample(tokens, { seed, numRuns: 10_000 });
  const answers = await ask(random.map((token) => ({ ...token, text: JSON.stringify(token.claims) })));
  let granted = 0;
  for (const [place, token] of random.entries()) {
    const said: Claims = JSON.parse(JSON.stringify(token.claims));
    const { tables: _, ...answer } = answers[place] ?? { tables: null };
    expect(answer, `SEED=${seed} ${JSON.stringify(token)}`).toEqual(askSdk(said, token));
    granted += askSdk(said, token).permissions.filter(Boolean).length;
  }
  expect(granted).toBeGreaterThan(1000); // the keys that are asked for are not all unknown
});

it.each([
  ["o:dashboard,o:teams", "manage,read", "3,2", ["dashboard:manage", "dashboard:read", "teams:read"]],
  ["u:x,o:dashboard,o:teams", "manage,read", "3,2", ["dashboard:manage", "dashboard:read", "teams:read"]],
  ["o:dashboard,u:x,o:teams", "manage,read", "3,2", ["dashboard:manage", "dashboard:read", "teams:read"]],
  ["uo:a,o:b", "manage,read", "1,2", ["a:manage", "b:read"]],
  ["o:a,o:b", "manage,read", "2", ["a:read"]],
])("features %s, permissions %s and integers %s grant %j", async (fea, per, fpm, granted) => {
  const keys = ["a", "b", "x", "dashboard", "teams"].flatMap((of) => [`${of}:manage`, `${of}:read`]);
  const said = { sub: "user_1", v: 2, fea, o: { id: "org_1", rol: "admin", per, fpm } };
  const [answer] = await ask([
    { text: JSON.stringify(said), permissions: keys.map((each) => `org:${each}`), features: ["a"] },
  ]);
  expect(keys.filter((_, place) => answer?.permissions[place])).toEqual(granted);
  expect(answer).toMatchObject({ user: "user_1", org: "org_1", role: "org:admin", slug: null, actor: null });
});

it("each of 300 bits of one integer counts", async () => {
  const per = Array.from({ length: 300 }, (_, place) => `p${place}`);
  const bits = per.map((_, place) => place % 3 === 0 || place === 299);
  const integerOfBits = bits.reduce((sum, bit, place) => (bit ? sum + 2n ** BigInt(place) : sum), 0n);
  const said = { sub: "user_1", v: 2, fea: "o:a", o: { id: "org_1", per: per.join(","), fpm: `${integerOfBits}` } };
  const permissions = per.map((each) => `org:a:${each}`);
  expect((await ask([{ text: JSON.stringify(said), permissions, features: ["a"] }]))[0]?.permissions).toEqual(bits);
});

const asking = { permissions: ["org:a:read"], features: ["a", "org:a"] };

it.each([
  ["no JSON", "{"],
  ["no JSON at all", "Bearer x"],
  ["an empty text", ""],
  ["an array", '["user_1"]'],
  ["a number", "1"],
  ["a text", '"user_1"'],
  ["null", "null"],
  ["a text that PostgreSQL cannot hold", '{"sub": "user_1\\u0000"}'],
  ["half of a pair of surrogates", '{"sub": "\\ud800"}'],
  ["a number that no type holds", '{"sub": "user_1", "v": 1e999999}'],
  ["ten thousand levels", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
  ["two million levels", "[".repeat(2_000_000)],
  [
    "numbers in place of texts",
    '{"sub": 1, "v": 2, "o": {"id": 2, "slg": 3, "rol": 4, "per": 5, "fpm": 6}, "fea": 7, "pla": 8, "act": 9}',
  ],
  ["texts in place of objects", '{"sub": {}, "v": 2, "o": "id", "act": "sub"}'],
])("claims that are %s give null and false", async (_, claimsText) => {
  const [answer] = await ask([{ text: claimsText, ...asking }]);
  expect(answer).toEqual({
    ...nothing,
    permissions: [false],
    features: [false, false],
    plans: [false, false],
    tables: [0, false, null, false],
  });
});

it.each([
  ["10,000 digits, of which the last are 3", `${"7".repeat(9_998)}13`, true],
  ["10,000 digits, of which the last are 0", `${"7".repeat(9_999)}0`, false],
  ["300,000 digits", "1".repeat(300_000), true],
])("an integer of %s decides as in the SDK", async (_, fpm, isGranted) => {
  const said = { sub: "user_1", v: 2, fea: "o:a", o: { id: "org_1", per: "read,manage", fpm } };
  const [answer] = await ask([{ text: JSON.stringify(said), ...asking }]);
  expect(answer?.permissions).toEqual([isGranted]);
});

it("a permission is asked by its full key", async () => {
  const said = { sub: "user_1", v: 2, fea: "o:a", o: { id: "org_1", per: "read", fpm: "1" } };
  const permissions = ["org:a:read", "a:read", "org:org:a:read", "read", ""];
  const [answer] = await ask([{ text: JSON.stringify(said), ...asking, permissions }]);
  expect(answer?.permissions).toEqual([true, false, false, false, false]);
});

it("nothing is asked, nothing is granted", async () => {
  const said = JSON.stringify({ sub: "user_1", v: 2, fea: "o:a,u:", pla: "o:", o: { id: "org_1", per: "", fpm: "1" } });
  await client.query("select set_config('request.jwt.claims', $1, false)", [said]);
  const { rows } = await client.query(`
    select array[
      clerk.has_permission(null), clerk.has_feature(null), clerk.has_plan(null), clerk.is_member(null),
      clerk.member_role(null) is not null, clerk.member_has_permission(null, null), clerk.member_has_permission('org_1', null)
    ] as answers`);
  expect(rows).toEqual([{ answers: Array(7).fill(false) }]);
});

it("who is not signed in at all is nobody", async () => {
  await client.query("reset request.jwt.claims");
  const { rows } = await client.query(
    "select clerk.user_id(), clerk.org_id(), clerk.has_permission('org:a:read') as may",
  );
  expect(rows).toEqual([{ user_id: null, org_id: null, may: false }]);
});
