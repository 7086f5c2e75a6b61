import fc from "fast-check";
import type { ColumnType, DefaultValue } from "../../../mapping/mapping.ts";
import { takesSource } from "../../../mapping/source-types.ts";
import { isMetadataPath, type UserSource, userSources } from "../../../mapping/sources.ts";
import { deletedEvent, userEvent } from "../clerk/build-event.ts";
import type { UsersFile } from "./configure-users.ts";

type Arrival = { event: unknown; eventId: string; how: "webhook" | "worker" };

/** A table, the file for it, and what happens at Clerk: `last` is how it has the users who are there in the end. */
export type RandomRun = {
  columns: readonly { name: string; definition: string }[];
  keyIsPrimary: boolean;
  file: UsersFile;
  seeded: readonly string[];
  arrivals: readonly Arrival[];
  last: readonly unknown[];
};

const plan = { kind: "enum", schema: "ext", name: "Plan", labels: ["free", "pro"] } as const;

/** Types with a default that a column of the app may have. */
const types: readonly { sql: string; type: ColumnType; own: string }[] = [
  { sql: "text", type: { kind: "text" }, own: "'own'" },
  { sql: "varchar(400)", type: { kind: "varchar", length: 400 }, own: "'own'" },
  { sql: "varchar", type: { kind: "varchar", length: null }, own: "'own'" },
  { sql: "ext.citext", type: { kind: "citext" }, own: "'own'" },
  { sql: "smallint", type: { kind: "smallint" }, own: "5" },
  { sql: "integer", type: { kind: "integer" }, own: "-5" },
  { sql: "bigint", type: { kind: "bigint" }, own: "5" },
  { sql: "numeric(12, 2)", type: { kind: "numeric" }, own: "1.5" },
  { sql: "double precision", type: { kind: "double precision" }, own: "1.5" },
  { sql: "boolean", type: { kind: "boolean" }, own: "true" },
  { sql: "uuid", type: { kind: "uuid" }, own: "'00000000-0000-0000-0000-000000000001'" },
  { sql: "date", type: { kind: "date" }, own: "'2020-01-01'" },
  { sql: "timestamp(0)", type: { kind: "timestamp" }, own: "'2020-01-01'" },
  { sql: "timestamptz", type: { kind: "timestamptz" }, own: "'2020-01-01T00:00:00Z'" },
  { sql: "json", type: { kind: "json" }, own: "'[]'" },
  { sql: "jsonb", type: { kind: "jsonb" }, own: "'{}'" },
  { sql: 'ext."Plan"', type: plan, own: "'free'" },
];

const sources: readonly UserSource[] = [
  ...userSources.filter((source) => source !== "email"),
  "public_metadata.plan",
  "public_metadata.plan",
  "public_metadata.role",
  "unsafe_metadata.a.b",
  "unsafe_metadata.a.b",
];

type Column = {
  name: string;
  source: UserSource;
  sql: string;
  type: ColumnType;
  isNotNull: boolean;
  own: string | null;
  isUnique: boolean;
  default: DefaultValue | undefined;
  write: "always" | "once";
  allowed: readonly string[] | undefined;
};

const uuid = "0b2f6a50-1111-4222-8333-444455556666";

/** What a key of metadata may be, apart from missing. */
const values: readonly unknown[] = [
  "pro",
  "free",
  "other",
  "7",
  7,
  true,
  "false",
  "2026-01-02T03:04:05.678Z",
  uuid,
  ["x", null],
  { k: 1 },
];

function fits(value: unknown, { type, allowed }: Column): boolean {
  if (allowed !== undefined) return true;
  switch (type.kind) {
    case "smallint":
    case "integer":
    case "bigint":
    case "numeric":
    case "double precision":
      return value === 7 || value === "7";
    case "boolean":
      return value === true || value === "false";
    case "uuid":
      return value === uuid;
    case "date":
    case "timestamp":
    case "timestamptz":
      return typeof value === "string" && value.startsWith("2026");
    default:
      return true;
  }
}

const names = ["a", "imageUrl", "user", 'q"uote', "it's", "ä b", "order"] as const;

const other: fc.Arbitrary<Omit<Column, "name">> = fc.constantFrom(...sources).chain((source) =>
  fc
    .record({
      source: fc.constant(source),
      of: fc.constantFrom(...types.filter(({ type }) => takesSource(type, source))),
      isNotNull: fc.boolean(),
      hasOwn: fc.boolean(),
      default: fc.constantFrom<DefaultValue | undefined>(undefined, undefined, "pro", "{id}", "it's", 7, true),
      write: fc.constantFrom("always", "always", "once" as const),
      isShort: fc.boolean(),
    })
    .map(({ of, isNotNull, hasOwn, isShort, ...line }) => {
      const isText = ["text", "varchar", "citext"].includes(of.type.kind);
      const allowed = isMetadataPath(source) && isText && isShort ? ["pro", "free"] : undefined;
      const isConstant = source === "uuid" || source === "now" || source === "id";
      return {
        ...line,
        sql: of.sql,
        type: of.type,
        isNotNull,
        own: hasOwn ? of.own : null,
        isUnique: false,
        allowed,
        write: isConstant ? "always" : line.write,
        default: allowed === undefined || line.default === undefined ? line.default : "free",
      } as const;
    }),
);

const email: fc.Arbitrary<Omit<Column, "name">> = fc
  .record({ of: fc.nat(3), isNotNull: fc.boolean(), isUnique: fc.boolean() })
  .map(({ of, isNotNull, isUnique }) => {
    const { sql, type } = types[of] ?? { sql: "text", type: { kind: "text" } as const };
    const fallback = isNotNull ? "{id}@users.invalid" : undefined;
    return {
      source: "email",
      sql,
      type,
      isNotNull,
      own: null,
      isUnique,
      default: fallback,
      write: "always",
      allowed: undefined,
    };
  });

const columns: fc.Arbitrary<Column[]> = fc
  .tuple(fc.option(email), fc.array(other, { maxLength: 6 }))
  .map(([address, others]) => [...(address === null ? [] : [address]), ...others])
  .map((list) => list.map((column, place) => ({ ...column, name: names[place] ?? `c${place}` })));

const text = fc.constantFrom(null, "Ada", "Grace", "it's", "Zoë");
const time = fc.constantFrom(1_763_887_200_000, 1_763_887_211_555);

function metadata(list: readonly Column[], source: UserSource) {
  const ofSource = list.filter((column) => column.source === source);
  const possible = values.filter((value) => ofSource.every((column) => fits(value, column)));
  return fc.constantFrom<unknown>(undefined, undefined, null, ...possible, ...possible);
}

function steps(list: readonly Column[]) {
  const externalIds = list.some(({ source, type }) => source === "external_id" && type.kind === "uuid")
    ? [null]
    : [null, "7", "12"];
  return fc.array(
    fc.record({
      user: fc.nat(2),
      isDeletion: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
      username: text,
      firstName: text,
      lastName: text,
      address: fc.constantFrom(null, "one@example.com", "two@example.com"),
      verified: fc.boolean(),
      externalId: fc.constantFrom(...externalIds),
      hasImage: fc.boolean(),
      banned: fc.boolean(),
      locale: fc.constantFrom(null, "en", "pro"),
      createdAt: time,
      signedInAt: fc.option(time),
      plan: metadata(list, "public_metadata.plan"),
      role: metadata(list, "public_metadata.role"),
      deep: metadata(list, "unsafe_metadata.a.b"),
      how: fc.constantFrom("webhook", "worker" as const),
      delay: fc.nat(12),
      again: fc.option(fc.nat(20)),
    }),
    { minLength: 1, maxLength: 12 },
  );
}

type Step = ReturnType<typeof steps> extends fc.Arbitrary<(infer Value)[]> ? Value : never;

const idOf = (user: number) => `user_${user}`;

function toEvent(step: Step, version: number, isFirst: boolean) {
  const id = idOf(step.user);
  if (step.isDeletion) return deletedEvent({ id, version });
  const event = userEvent(isFirst ? "user.created" : "user.updated", {
    id,
    version,
    email: step.address,
    verified: step.verified,
    firstName: step.firstName,
    lastName: step.lastName,
    banned: step.banned,
    ...(step.externalId === null ? {} : { externalId: step.externalId }),
  });
  const given = (key: string, value: unknown) => (value === undefined ? {} : { [key]: value });
  const data = {
    ...event.data,
    username: step.username,
    has_image: step.hasImage,
    image_url: step.hasImage ? "https://img/1" : null,
    locale: step.locale,
    created_at: step.createdAt,
    last_sign_in_at: step.signedInAt,
    public_metadata: { ...given("plan", step.plan), ...given("role", step.role) },
    unsafe_metadata: step.deep === undefined ? {} : { a: { b: step.deep } },
  };
  return { ...event, data };
}

/** Plays the steps at Clerk, where a deleted user stays deleted, and lets the events arrive late and twice. */
function toArrivals(list: readonly Step[]): Pick<RandomRun, "arrivals" | "last"> {
  const last = new Map<number, unknown>();
  const deleted = new Set<number>();
  const arrivals: (Arrival & { at: number })[] = [];
  for (const [place, step] of list.entries()) {
    if (deleted.has(step.user)) continue;
    const event = toEvent(step, place + 1, !last.has(step.user));
    const arrival = { event, eventId: `msg_${place}`, how: step.how };
    arrivals.push({ ...arrival, at: place + step.delay });
    if (step.again !== null) arrivals.push({ ...arrival, at: place + step.delay + step.again });
    last.set(step.user, event);
    if (step.isDeletion) deleted.add(step.user);
  }
  for (const user of deleted) last.delete(user);
  return { arrivals: arrivals.toSorted((one, next) => one.at - next.at), last: [...last.values()] };
}

function toFile(list: readonly Column[], softDelete: boolean): UsersFile {
  const lines = list.map(({ name, source, default: value, write, allowed }) => [
    name,
    { from: source, default: value, write, allowed },
  ]);
  return {
    key: "clerk_id",
    columns: Object.fromEntries(lines),
    softDelete: softDelete ? "deleted at" : undefined,
  };
}

export const randomRuns: fc.Arbitrary<RandomRun> = columns.chain((list) =>
  fc
    .record({
      keyIsPrimary: fc.boolean(),
      softDelete: fc.boolean(),
      seeded: fc.subarray([0, 1, 2]),
      steps: steps(list),
    })
    .map(({ keyIsPrimary, softDelete, seeded, steps: played }) => ({
      columns: [
        ...list.map(({ name, sql, isNotNull, isUnique, own }) => ({
          name,
          definition: `${sql}${isNotNull ? " not null" : ""}${isUnique ? " unique" : ""}${own === null ? "" : ` default ${own}`}`,
        })),
        ...(softDelete ? [{ name: "deleted at", definition: "timestamptz" }] : []),
      ],
      keyIsPrimary,
      file: toFile(list, softDelete),
      seeded: seeded.map(idOf),
      ...toArrivals(played),
    })),
);
