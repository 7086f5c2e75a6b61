import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deletedEvent, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { createMappedQueue, type MappedQueue, type Row } from "../../support/mapping/mapped-queue.ts";

// The rules of the mapping, each on a table that shows it.

let queue: MappedQueue;

/** An event of a user; data stands in it as Clerk would have it there. */
function event(facts: UserFacts, data: Row = {}, type: "user.created" | "user.updated" = "user.updated") {
  const whole = userEvent(type, facts);
  return { ...whole, data: { ...whole.data, ...data } };
}

/** The same without some fields: it was trimmed on its way. */
function trimmed(facts: UserFacts, without: readonly string[], data: Row = {}) {
  const whole = event(facts, data);
  return { ...whole, data: Object.fromEntries(Object.entries(whole.data).filter(([key]) => !without.includes(key))) };
}

/** Accepts events one after the other, and runs what they leave. */
async function play(...events: readonly unknown[]): Promise<void> {
  for (const each of events) {
    await queue.accept(each);
    await queue.run();
  }
}

async function row(id: string): Promise<Row | undefined> {
  return (await queue.rows()).find(({ clerk_id }) => clerk_id === id);
}

const quiet = async (...events: readonly unknown[]) => expect(await queue.compare(...events)).toEqual([]);

describe("what an event does not carry", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(
      "create table users (clerk_id text primary key, email text, name text, first text, plan text, banned boolean, picture text)",
      {
        key: "clerk_id",
        columns: {
          email: "email",
          name: "name",
          first: "first_name",
          plan: { from: "public_metadata.plan", default: "free" },
          banned: "banned",
          picture: "image_url",
        },
      },
    );
  });
  afterAll(() => queue?.drop());

  it("keeps its column, whose user is read again", async () => {
    const pro = { public_metadata: { plan: "pro" }, banned: true };
    await play(event({ id: "user_a", version: 1 }, pro));
    const before = await row("user_a");
    await play(
      trimmed({ id: "user_a", version: 2 }, [
        "first_name",
        "email_addresses",
        "public_metadata",
        "banned",
        "image_url",
      ]),
    );
    expect(await row("user_a")).toEqual(before);
    expect(await queue.state("user_a")).toMatchObject({ refresh_reason: "event_trimmed" });
    await play(trimmed({ id: "user_a", version: 3, lastName: "Hopper" }, ["public_metadata"]));
    expect(await row("user_a")).toMatchObject({ name: "Ada Hopper", plan: "pro", banned: false });
  });

  it("is null when it is there and empty", async () => {
    await play(event({ id: "user_b", version: 1 }, { public_metadata: { plan: "pro" } }));
    await play(event({ id: "user_b", version: 2, firstName: null, lastName: null, email: null }, { image_url: null }));
    expect(await row("user_b")).toEqual({
      clerk_id: "user_b",
      email: null,
      name: null,
      first: null,
      plan: "free",
      banned: false,
      picture: null,
    });
  });

  it("empties an optional one when the event says all that Clerk requires", async () => {
    await play(event({ id: "user_c", version: 1 }), trimmed({ id: "user_c", version: 2 }, ["image_url"]));
    expect(await row("user_c")).toMatchObject({ picture: null });
  });
});

describe("what Clerk never gave", () => {
  const seed = `insert into users values ('user_kept', 'gold', '{"a": 1}', 7)`;
  beforeAll(async () => {
    queue = await createMappedQueue(
      "create table users (clerk_id text primary key, plan text not null default 'basic', tags jsonb, level integer)",
      {
        key: "clerk_id",
        columns: {
          plan: { from: "public_metadata.plan", default: "free" },
          tags: { from: "public_metadata.tags", default: "none" },
          level: { from: "unsafe_metadata.deep.level", default: -1 },
        },
      },
    );
    await queue.pool.query(seed);
  });
  afterAll(() => queue?.drop());

  it("is not taken away from a row that was there, and a new row has the defaults", async () => {
    const events = ["user_kept", "user_new"].map((id) => event({ id, version: 1 }));
    await play(...events);
    expect(await row("user_kept")).toEqual({ clerk_id: "user_kept", plan: "gold", tags: { a: 1 }, level: 7 });
    expect(await row("user_new")).toEqual({ clerk_id: "user_new", plan: "free", tags: "none", level: -1 });
    await quiet(...events);
  });

  it.each([
    ["missing", {}],
    ["null", { plan: null, tags: null }],
  ])("is the default when a key that was given is %s", async (name, metadata) => {
    const id = `user_${name}`;
    const given = event(
      { id, version: 1 },
      { public_metadata: { plan: "pro", tags: ["x"] }, unsafe_metadata: { deep: { level: 3 } } },
    );
    await play(given);
    expect(await row(id)).toEqual({ clerk_id: id, plan: "pro", tags: ["x"], level: 3 });
    await quiet(given);
    const taken = event({ id, version: 2 }, { public_metadata: metadata, unsafe_metadata: { deep: [] } });
    expect(await queue.compare(taken)).toMatchObject([{ clerk_id: id, kind: "stale" }]);
    await play(taken);
    expect(await row(id)).toEqual({ clerk_id: id, plan: "free", tags: "none", level: -1 });
    await quiet(taken);
  });

  it("counts as given from an older event that comes late, of each column by itself", async () => {
    await queue.pool.query(`insert into users values ('user_late', 'gold', '{"a": 1}', 7)`);
    const newest = event({ id: "user_late", version: 9 });
    await play(newest, event({ id: "user_late", version: 4 }, { public_metadata: { tags: [] } }));
    expect(await row("user_late")).toEqual({ clerk_id: "user_late", plan: "gold", tags: "none", level: 7 });
    await play(event({ id: "user_late", version: 3 }, { unsafe_metadata: { deep: { level: 1 } } }));
    expect(await row("user_late")).toMatchObject({ plan: "gold", level: -1 });
    await quiet(newest);
  });

  it("counts as given from the creation, which comes after the update that took it back", async () => {
    await queue.pool.query(`insert into users values ('user_born', 'gold', null, 7)`);
    const pro = { public_metadata: { plan: "pro" } };
    await play(event({ id: "user_born", version: 9 }), event({ id: "user_born", version: 1 }, pro, "user.created"));
    expect(await row("user_born")).toMatchObject({ plan: "free" });
  });

  it("does not fall to the default when the newest event did not carry the metadata", async () => {
    await queue.pool.query(`insert into users values ('user_trim', 'gold', null, 7)`);
    await play(
      trimmed({ id: "user_trim", version: 9 }, ["public_metadata"]),
      event({ id: "user_trim", version: 4 }, { public_metadata: { plan: "pro" } }),
    );
    expect(await row("user_trim")).toMatchObject({ plan: "pro" });
    await queue.pool.query(`insert into users values ('user_trim2', 'gold', null, 7)`);
    await play(
      event({ id: "user_trim2", version: 5 }),
      trimmed({ id: "user_trim2", version: 9 }, ["public_metadata"]),
      event({ id: "user_trim2", version: 4 }, { public_metadata: { plan: "pro" } }),
    );
    expect(await row("user_trim2")).toMatchObject({ plan: "gold" });
  });
});

describe("a value outside of what is allowed", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(
      `create type mood as enum ('calm', 'angry');
      create table users (clerk_id text primary key, role text, mood mood, few mood, tags jsonb)`,
      {
        key: "clerk_id",
        columns: {
          role: { from: "public_metadata.role", default: "member", allowed: ["member", "admin"] },
          mood: { from: "public_metadata.mood", default: "calm" },
          few: { from: "public_metadata.few", allowed: ["calm"] },
          tags: { from: "public_metadata.tags", default: "a", allowed: ["a", "b"] },
        },
      },
    );
  });
  afterAll(() => queue?.drop());

  const good = { role: "admin", mood: "angry", few: "calm", tags: "b" };

  it.each([
    ["text", "owner", "owner"],
    ["number", 7, 7],
    ["array", ["admin"], ["admin"]],
    ["object", { admin: true }, { angry: 1 }],
    ["boolean", true, true],
  ])("becomes the default, and the job notes its kind (%s)", async (kind, role, other) => {
    for (const how of ["webhook", "worker"]) {
      const id = `user_${kind}_${how}`;
      const bad = event({ id, version: 2 }, { public_metadata: { role, mood: other, few: other, tags: other } });
      await play(event({ id, version: 1 }, { public_metadata: good }));
      expect(await row(id)).toEqual({ clerk_id: id, ...good });
      if (how === "webhook") await queue.accept(bad);
      else await queue.work(bad);
      expect(await row(id)).toEqual({ clerk_id: id, role: "member", mood: "calm", few: null, tags: "a" });
      const { rows } = await queue.pool.query(
        "select result from job_queue where clerk_id = $1 order by version desc limit 1",
        [id],
      );
      expect(rows[0].result).toMatchObject({ ignored: { role: kind, mood: kind, few: kind, tags: kind } });
      expect(await queue.state(id)).toMatchObject({ ignored: { role: kind, mood: kind, few: kind, tags: kind } });
      await quiet(bad);
      await play(event({ id, version: 3 }, { public_metadata: good }));
      expect(await queue.state(id)).toMatchObject({ ignored: null });
    }
  });

  it("is none any more when the owner adds it as a label to the enum", async () => {
    await queue.pool.query("alter type mood add value 'glad'");
    await play(event({ id: "user_glad", version: 1 }, { public_metadata: { mood: "glad", few: "glad" } }));
    expect(await row("user_glad")).toMatchObject({ mood: "glad", few: null });
  });

  it("notes nothing of a null, which is no value", async () => {
    await play(event({ id: "user_null", version: 1 }, { public_metadata: { role: null, mood: null } }));
    expect(await row("user_null")).toMatchObject({ role: "member", mood: "calm" });
    expect((await queue.state("user_null"))?.["ignored"]).toBeNull();
  });
});

describe("what is written once", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(
      `create table users (id uuid primary key default gen_random_uuid(), clerk_id text unique, email text, nick text, role text, since timestamptz);
      insert into users (clerk_id, email, nick) values ('user_there', null, null), (null, 'linked@example.com', null)`,
      {
        key: "clerk_id",
        columns: {
          id: "uuid",
          email: "email",
          nick: { from: "first_name", write: "once" },
          role: { from: "public_metadata.role", write: "once", default: "guest", allowed: ["guest", "user", "admin"] },
          since: { from: "created_at", write: "once" },
        },
        linkBy: "email",
      },
    );
  });
  afterAll(() => queue?.drop());

  it("is the first value, and stays", async () => {
    const next = event({ id: "user_first", version: 2, firstName: "Grace", role: "admin" }, { created_at: 1 });
    await play(event({ id: "user_first", version: 1, role: "user" }));
    const before = await row("user_first");
    expect(before).toMatchObject({ nick: "Ada", role: "user" });
    await play(next);
    expect(await row("user_first")).toEqual(before);
    await quiet(next);
  });

  it("waits for the first value while Clerk has none, or does not say it", async () => {
    await play(event({ id: "user_wait", version: 1, firstName: null }));
    expect(await row("user_wait")).toMatchObject({ nick: null, role: "guest" });
    await play(trimmed({ id: "user_wait", version: 2 }, ["first_name"]));
    await play(event({ id: "user_wait", version: 3, firstName: "Grace" }));
    expect(await row("user_wait")).toMatchObject({ nick: "Grace", role: "guest" });
    await play(event({ id: "user_wait", version: 4, firstName: "Ada", role: "owner" }));
    expect(await row("user_wait")).toMatchObject({ nick: "Grace", role: "guest" });
    await play(event({ id: "user_wait", version: 5, role: "admin" }));
    expect(await row("user_wait")).toMatchObject({ nick: "Grace", role: "admin" });
    await play(event({ id: "user_wait", version: 6, firstName: null }));
    expect(await row("user_wait")).toMatchObject({ nick: "Grace", role: "admin" });
  });

  it("stays what somebody wrote meanwhile as long as Clerk has no value", async () => {
    await play(event({ id: "user_wrote", version: 1, firstName: null }));
    await queue.pool.query("update users set nick = 'mine', role = 'own' where clerk_id = 'user_wrote'");
    await play(event({ id: "user_wrote", version: 2, firstName: null, lastName: "Hopper" }));
    expect(await row("user_wrote")).toMatchObject({ nick: "mine", role: "own" });
  });

  it("stays as it is, null included, in a row that was there and in one that is linked", async () => {
    await play(event({ id: "user_there", version: 1, role: "admin" }), event({ id: "user_there", version: 2 }));
    expect(await row("user_there")).toMatchObject({ nick: null, role: null, since: null });
    const old = (await queue.rows()).find(({ email }) => email === "linked@example.com");
    await play(event({ id: "user_link", version: 1, email: "linked@example.com", role: "admin" }));
    await play(event({ id: "user_link", version: 2, email: "linked@example.com", banned: true }));
    expect(await row("user_link")).toMatchObject({
      id: old?.["id"],
      nick: null,
      role: null,
      since: null,
      email: "linked@example.com",
    });
  });

  it("stays in a row that is linked to a user who had one that waited", async () => {
    await queue.pool.query("insert into users (email) values ('later@example.com')");
    const facts = { id: "user_later", email: "later@example.com", firstName: null };
    await play(event({ ...facts, version: 1, verified: false }), event({ ...facts, version: 2 }));
    await play(event({ ...facts, version: 3, firstName: "Grace" }));
    expect(await row("user_later")).toMatchObject({ nick: null });
    expect((await queue.rows()).filter(({ email }) => email === "later@example.com")).toHaveLength(1);
  });
});

describe.each([
  ["text", "text", ""],
  ["varchar", "varchar(320)", ""],
  [
    "citext",
    "ext.citext",
    "create schema ext; create extension citext schema ext; grant usage on schema ext to service_role",
  ],
])("a unique address of type %s", (kind, type, before) => {
  beforeAll(async () => {
    queue = await createMappedQueue(
      `create table users (clerk_id varchar(64) primary key, email ${type} unique not null, seen timestamptz not null)`,
      { key: "clerk_id", columns: { email: { from: "email", default: "{id}@users.invalid" }, seen: "now" } },
      before,
    );
  });
  afterAll(() => queue?.drop());

  const emails = async (...ids: string[]) => Promise.all(ids.map(async (id) => (await row(id))?.["email"]));
  /** Calls that the database refused, because two of their users have one address. */
  const refusals = async () =>
    (await queue.pool.query("select labels from clerk_sync.metric_events where labels ->> 'reason' like 'refused%'"))
      .rows;
  const none = (id: string) => `${id}@users.invalid`;

  it("is of the verified before the unverified, then of the newest, in each order", async () => {
    for (const turn of [false, true]) {
      for (const isOneCall of [false, true]) {
        const [a, b, c] = ["a", "b", "c"].map((name) => `user_${name}_${turn}_${isOneCall}`) as [
          string,
          string,
          string,
        ];
        const email = `rank_${turn}_${isOneCall}@example.com`;
        const claims = [
          event({ id: a, version: 1, email }),
          event({ id: b, version: 2, email }),
          event({ id: c, version: 3, email, verified: false }),
        ];
        const ordered = turn ? claims.toReversed() : claims;
        if (isOneCall) await queue.acceptTogether(...ordered);
        else await play(...ordered);
        await queue.run();
        expect(await emails(a, b, c)).toEqual([none(a), email, none(c)]);
        await quiet(...claims);
        expect(await refusals()).toEqual([]);
      }
    }
  });

  it("moves from one user to another, and back, with the time of the write", async () => {
    const [a, b] = ["user_m1", "user_m2"];
    await play(event({ id: a, version: 1, email: "m@example.com" }));
    const before = await row(a);
    await play(event({ id: b, version: 2, email: "m@example.com" }));
    expect(await emails(a, b)).toEqual([none(a), "m@example.com"]);
    expect(Number((await row(a))?.["seen"])).toBeGreaterThan(Number(before?.["seen"]));
    await play(event({ id: a, version: 3, email: "m@example.com" }));
    expect(await emails(a, b)).toEqual(["m@example.com", none(b)]);
  });

  it("of a user without one is a placeholder, which is no claim, is not mirrored, and reads as none", async () => {
    const without = event({ id: "user_none", version: 1, email: null });
    await play(without);
    expect(await emails("user_none")).toEqual([none("user_none")]);
    await quiet(without);
    const { rows } = await queue.pool.query(
      "select email from clerk_sync.user_rows where clerk_id = 'user_none' and mapped ? 'email'",
    );
    expect(rows).toEqual([{ email: null }]);
    await queue.pool.query("select public.clerk_sync_enqueue($1)", [
      JSON.stringify([
        {
          event_id: "msg_mirror",
          job_type: "USER_UPDATED",
          clerk_id: "user_none",
          version: 1763900000002,
          payload: { email: null, email_verified: false },
        },
      ]),
    ]);
    const { rows: batches } = await queue.pool.query(
      "select public.clerk_sync_run_jobs(p_limit => 9, p_lease_seconds => 30) -> 'mirror' as mirror",
    );
    expect(batches[0].mirror).toMatchObject([{ clerk_id: "user_none", email: null }]);
    await queue.pool.query("delete from job_queue where clerk_id = 'user_none'");
    await play(event({ id: "user_none", version: 3, email: "some@example.com" }));
    expect(await emails("user_none")).toEqual(["some@example.com"]);
  });

  it("changes its case with Clerk", async () => {
    const next = event({ id: "user_case", version: 2, email: "Case@Example.com" });
    await play(event({ id: "user_case", version: 1, email: "case@example.com" }), next);
    expect(await emails("user_case")).toEqual(["Case@Example.com"]);
    await quiet(next);
  });

  it(`is ${kind === "citext" ? "the same" : "another"} in another case`, async () => {
    const claims = [
      event({ id: "user_low", version: 1, email: "low@example.com" }),
      event({ id: "user_up", version: 2, email: "LOW@example.com" }),
    ];
    for (const isOneCall of [false, true]) {
      await queue.pool.query("truncate users, clerk_sync.records, clerk_sync.user_state, job_queue cascade");
      if (isOneCall) await queue.acceptTogether(...claims);
      else await queue.accept(...claims);
      await queue.run();
      expect(await emails("user_low", "user_up")).toEqual([
        kind === "citext" ? none("user_low") : "low@example.com",
        "LOW@example.com",
      ]);
      expect(await refusals()).toEqual([]);
    }
  });

  it("is free when its user is deleted", async () => {
    const email = "free@example.com";
    await play(event({ id: "user_f1", version: 1, email }), deletedEvent({ id: "user_f1", version: 2 }));
    await play(event({ id: "user_f2", version: 3, email }));
    expect(await emails("user_f1", "user_f2")).toEqual([undefined, email]);
  });
});

describe("columns with a default of their own", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(
      `create sequence numbers;
      create function lucky() returns integer language sql as 'select 7';
      create type level as enum ('low', 'high');
      create table users (
        clerk_id text primary key,
        locale text not null default 'en',
        level level not null default 'low',
        place integer not null default nextval('numbers'),
        luck integer not null default lucky(),
        tags jsonb not null default '[]',
        seen timestamptz not null default now(),
        note text not null default 'untouched'
      );
      grant usage on sequence numbers to service_role`,
      {
        key: "clerk_id",
        columns: {
          locale: "locale",
          level: "public_metadata.level",
          place: "public_metadata.place",
          luck: "public_metadata.luck",
          tags: "public_metadata.tags",
          seen: "last_sign_in_at",
        },
      },
    );
  });
  afterAll(() => queue?.drop());

  it("have it where Clerk has no value, and go back to it unless it is computed", async () => {
    const empty = event({ id: "user_a", version: 1 });
    await play(empty);
    const first = { locale: "en", level: "low", luck: 7, tags: [], seen: expect.any(Date), note: "untouched" };
    expect(await row("user_a")).toMatchObject({ ...first, place: 1 });
    const values = { level: "high", place: 40, luck: 3, tags: ["a"] };
    await quiet(empty);
    const full = event({ id: "user_a", version: 2 }, { locale: "de", public_metadata: values });
    await play(full);
    expect(await row("user_a")).toMatchObject({ ...values, locale: "de" });
    await quiet(full);
    const taken = event({ id: "user_a", version: 3 });
    await play(taken);
    expect(await row("user_a")).toMatchObject({ ...first, place: 40, luck: 3 });
    await quiet(taken);
  });
});

/** What a column of each type takes of metadata, how the row has it then, and what it does not take. */
const casts: [type: string, takes: unknown, has: unknown, not: unknown][] = [
  ["varchar(5)", "abcde", "abcde", "secret"],
  ["integer", 42, 42, "secret"],
  ["integer", "-7", -7, 3_000_000_000],
  ["bigint", 3_000_000_000, "3000000000", "secret"],
  ["smallint", 7, 7, 70_707],
  ["numeric(6, 2)", 1.005, "1.01", 123_456],
  ["double precision", 1.5, 1.5, { secret: 1 }],
  ["boolean", true, true, "secret"],
  ["boolean", "yes", true, 70_707],
  ["timestamp(0)", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:06", "secret"],
  ["timestamptz", "2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05+00", "secret"],
  ["timestamptz", "2026-01-02 03:04:05", "2026-01-02 03:04:05+00", "secret"],
  ["date", "2026-01-02T23:04:05-02:00", "2026-01-03", ["secret"]],
  ["uuid", "0b2f6a50-1111-4222-8333-444455556666", "0b2f6a50-1111-4222-8333-444455556666", "secret"],
];

describe("a column of each type", () => {
  beforeAll(async () => {
    const columns = casts.map(([type], place) => `c${place} ${type}`);
    queue = await createMappedQueue(
      `set timezone = 'America/New_York';
      create schema ext; create extension citext schema ext; grant usage on schema ext to service_role;
      create table users (clerk_id text primary key, ${columns.join(", ")}, ci ext.citext, js json, jb jsonb, flag text, at text, born text, ids uuid, num bigint);
      reset timezone`,
      {
        key: "clerk_id",
        columns: {
          ...Object.fromEntries(casts.map((_, place) => [`c${place}`, `public_metadata.c${place}` as const])),
          ci: "username",
          js: "public_metadata.json",
          jb: "public_metadata",
          flag: "banned",
          at: "last_sign_in_at",
          born: "created_at",
          ids: "uuid",
          num: "external_id",
        },
      },
    );
  });
  afterAll(() => queue?.drop());

  const asText = async (id: string, place: number) =>
    (await queue.pool.query(
      `set timezone = 'utc'; select c${place}::text as text from users where clerk_id = '${id}'`,
    )) as unknown as { rows: { text: string }[] }[];

  it("has what Clerk has, which a compare then finds the same", async () => {
    const metadata = Object.fromEntries(casts.map(([, takes], place) => [`c${place}`, takes]));
    const all = { ...metadata, json: [1, { a: null }] };
    const data = {
      username: "Ada",
      banned: true,
      last_sign_in_at: 1763887200000,
      created_at: 1763887200000,
      public_metadata: all,
    };
    const full = event({ id: "user_all", version: 1, externalId: "12" }, data);
    expect(await queue.accept(full)).toEqual(["all"]);
    for (const [place, [, , has]] of casts.entries()) {
      const answers = await asText("user_all", place);
      expect([place, answers[1]?.rows[0]?.text]).toEqual([place, String(has)]);
    }
    expect(await row("user_all")).toMatchObject({
      ci: "Ada",
      js: [1, { a: null }],
      jb: all,
      flag: "true",
      at: "2025-11-23T08:40:00.000Z",
      born: "2025-11-23T08:40:00.000Z",
      ids: expect.stringMatching(/^[0-9a-f-]{36}$/),
      num: "12",
    });
    await quiet(full);
    await queue.accept(event({ id: "user_all", version: 2, externalId: "12" }, data));
    await quiet(full);
  });

  it("is null where Clerk has nothing", async () => {
    const empty = event({ id: "user_empty", version: 1 });
    await play(empty);
    expect(await row("user_empty")).toMatchObject({ c0: null, c12: null, ci: null, js: null, jb: {}, num: null });
    await quiet(empty);
  });

  it.each(casts.map(([type, , , not], place) => [type, not, place] as const))(
    "gives a job up whose value does not fit a column of type %s, and the value stands nowhere (%j)",
    async (_, not, place) => {
      const id = `user_bad_${place}`;
      const bad = event({ id, version: 1 }, { public_metadata: { [`c${place}`]: not } });
      expect(await queue.accept(bad)).toEqual(["no"]);
      expect(await queue.run()).toEqual(["DEAD"]);
      const { rows } = await queue.pool.query(
        "select error, result, history::text as history from job_queue where clerk_id = $1",
        [id],
      );
      expect(rows[0].error).toMatch(
        new RegExp(
          `^database_rejected 22...: column c${place} does not take what Clerk has, an? (text of 6 characters|number|object|array)$`,
        ),
      );
      const told = [JSON.stringify(rows), ...queue.notices].join("\n");
      expect(told).not.toMatch(/secret|3000000000|70707|123456/);
      expect(await row(id)).toBeUndefined();
    },
  );

  it("compares the others of a page although one user has a value that does not fit", async () => {
    const good = event({ id: "user_good", version: 1 });
    await play(good);
    const bad = event({ id: "user_good", version: 2 }, { public_metadata: { c1: "secret" } });
    await play(bad);
    expect(await queue.compare(good, bad, event({ id: "user_good", version: 2, firstName: "X" }))).toEqual([
      { clerk_id: "user_good", kind: "stale", fields: [] },
      expect.objectContaining({ kind: "stale" }),
    ]);
  });
});
