import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deletedEvent, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { teamFiles } from "../../support/mapping/configure-users.ts";
import { createMappedQueue, type MappedQueue, type Row } from "../../support/mapping/mapped-queue.ts";
import { teamTables } from "../../support/mapping/team-tables.ts";

// The tables of teams, with their data, each behind the webhook and a worker that act as the service role.

let queue: MappedQueue;

const created = (facts: UserFacts, data: Row = {}) => withData("user.created", facts, data);
const updated = (facts: UserFacts, data: Row = {}) => withData("user.updated", facts, data);

function withData(type: "user.created" | "user.updated", facts: UserFacts, data: Row) {
  const event = userEvent(type, facts);
  return { ...event, data: { ...event.data, ...data } };
}

/** The row with this value in a column. */
async function find(column: string, value: unknown): Promise<Row | undefined> {
  return (await queue.rows()).find((row) => row[column] === value);
}

const quiet = async (...events: readonly unknown[]) => expect(await queue.compare(...events)).toEqual([]);

describe("a table of another name whose primary key is Clerk's id", () => {
  const access = `
    alter table public.profiles enable row level security;
    create policy "Profiles are public" on public.profiles for select using (true);
    create policy "Own profile" on public.profiles for update to authenticated using (id = (select auth.jwt() ->> 'sub'));
    revoke all on public.profiles from anon, authenticated, service_role;
    grant select (id, username) on public.profiles to anon;
    grant select, update on public.profiles to authenticated;
    insert into public.posts (author) values ('user_old1');`;
  const readAccess = async () =>
    (
      await queue.pool.query(`
        select
          (select jsonb_agg(to_jsonb(p) order by p.policyname) from pg_policies as p where p.tablename = 'profiles') as policies,
          (select c.relacl::text from pg_class as c where c.oid = 'public.profiles'::regclass) as grants,
          (select jsonb_agg(a.attacl::text order by a.attnum) from pg_attribute as a where a.attrelid = 'public.profiles'::regclass) as columns,
          (select c.relrowsecurity from pg_class as c where c.oid = 'public.profiles'::regclass) as secured`)
    ).rows[0];

  beforeAll(async () => {
    queue = await createMappedQueue(`${teamTables.profiles} ${access}`, teamFiles.profiles);
  });
  afterAll(() => queue?.drop());

  it("has the policies and grants that it had, and those that service_role needs", async () => {
    const { policies, grants, columns, secured } = await readAccess();
    expect(policies.map((policy: Row) => policy["policyname"])).toEqual(["Own profile", "Profiles are public"]);
    expect(grants.replace(/[{}]/g, "").split(",").slice(1)).toEqual([
      expect.stringMatching(/^authenticated=rw\//),
      expect.stringMatching(/^service_role=arwd\//),
    ]);
    expect(columns.filter((acl: unknown) => acl !== null)).toEqual([
      expect.stringMatching(/^\{anon=r\//),
      expect.stringMatching(/^\{anon=r\//),
    ]);
    expect(secured).toBe(true);
  });

  it("gets new users with all five columns, and their changes", async () => {
    const facts = { id: "user_new1", version: 1 };
    expect(await queue.accept(created(facts, { username: "grace" }))).toEqual(["all"]);
    expect(await find("id", "user_new1")).toEqual({
      id: "user_new1",
      username: "grace",
      full_name: "Ada Lovelace",
      avatar_url: "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9",
      email: "user_new1@example.com",
    });
    const next = updated({ ...facts, version: 2, lastName: null }, { username: null, image_url: "https://img/2" });
    await queue.accept(next);
    expect(await find("id", "user_new1")).toMatchObject({
      username: null,
      full_name: "Ada",
      avatar_url: "https://img/2",
    });
    await quiet(next);
  });

  it("keeps the row that was there, updated, and what refers to it", async () => {
    const event = updated({ id: "user_old1", version: 1 }, { username: "ada2" });
    await queue.accept(event);
    expect(await find("id", "user_old1")).toMatchObject({ username: "ada2", email: "user_old1@example.com" });
    expect((await queue.pool.query("select author from public.posts")).rows).toEqual([{ author: "user_old1" }]);
    await quiet(event);
  });

  it("is the same whichever event comes first, and when events come again", async () => {
    for (const turn of [false, true]) {
      const id = `user_order_${turn}`;
      const events = [
        created({ id, version: 1 }, { username: "one" }),
        updated({ id, version: 2 }, { username: "two" }),
        updated({ id, version: 3 }, { username: "three" }),
      ];
      await queue.accept(...(turn ? events.toReversed() : events), ...events);
      await queue.run();
      expect(await find("id", id)).toMatchObject({ username: "three" });
    }
  });

  it("loses the row of a deleted user, whom a late event does not bring back", async () => {
    await queue.accept(created({ id: "user_gone", version: 1 }), deletedEvent({ id: "user_gone", version: 2 }));
    await queue.run();
    await queue.accept(updated({ id: "user_gone", version: 9 }));
    await queue.run();
    expect(await find("id", "user_gone")).toBeUndefined();
  });

  it("says why a deletion fails that rows of another table stop", async () => {
    await queue.pool.query("insert into public.profiles (id) values ('user_author')");
    await queue.pool.query("insert into public.posts (author) values ('user_author')");
    const [job] = await queue.work(deletedEvent({ id: "user_author", version: 2 }));
    expect(job?.error).toMatch(/^delete_blocked 23503 posts_author_fkey: .*on delete cascade/);
    expect(await find("id", "user_author")).toBeDefined();
  });

  it("lets several users have one address, because the column is not unique", async () => {
    const [a, b] = ["user_same_a", "user_same_b"].map((id) => created({ id, version: 1, email: "same@example.com" }));
    await queue.acceptTogether(a, b);
    expect((await queue.rows()).filter(({ email }) => email === "same@example.com")).toHaveLength(2);
    await quiet(a, b);
  });
});

describe("the default model of Prisma", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(teamTables.prisma, teamFiles.prisma);
  });
  afterAll(() => queue?.drop());

  it("gets rows with an id of their own, which no later event changes", async () => {
    expect(await queue.accept(created({ id: "user_p1", version: 1 }))).toEqual(["all"]);
    const before = await find("clerkId", "user_p1");
    expect(before).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      email: "user_p1@example.com",
      firstName: "Ada",
      lastName: "Lovelace",
      createdAt: expect.any(Date),
      updatedAt: expect.any(Date),
    });
    const next = updated({ id: "user_p1", version: 2, firstName: "Grace" });
    await queue.accept(next);
    expect(await find("clerkId", "user_p1")).toMatchObject({
      id: before?.["id"],
      createdAt: before?.["createdAt"],
      firstName: "Grace",
    });
    await quiet(next);
  });

  it("keeps updatedAt when an event changes no column", async () => {
    await queue.accept(created({ id: "user_p2", version: 1 }));
    const before = await find("clerkId", "user_p2");
    await queue.accept(updated({ id: "user_p2", version: 2 }));
    expect(await find("clerkId", "user_p2")).toEqual(before);
    await queue.accept(updated({ id: "user_p2", version: 3, lastName: "Hopper" }));
    const after = await find("clerkId", "user_p2");
    expect(Number(after?.["updatedAt"])).toBeGreaterThan(Number(before?.["updatedAt"]));
  });

  it("has a placeholder for a user without an address, and for one who loses it", async () => {
    const without = created({ id: "user_p3", version: 1, email: null });
    await queue.accept(without);
    expect(await find("clerkId", "user_p3")).toMatchObject({ email: "user_p3@users.invalid" });
    const first = created({ id: "user_p4", version: 2, email: "moves@example.com" });
    const second = created({ id: "user_p5", version: 3, email: "moves@example.com" });
    await queue.accept(first, second);
    await queue.run();
    expect(await find("clerkId", "user_p4")).toMatchObject({ email: "user_p4@users.invalid" });
    expect(await find("clerkId", "user_p5")).toMatchObject({ email: "moves@example.com" });
    await quiet(without, first, second);
    const { rows } = await queue.pool.query(
      "select email from clerk_sync.user_rows where clerk_id in ('user_p3', 'user_p4')",
    );
    expect(rows).toEqual([{ email: null }, { email: null }]);
  });

  it("gives an address back to the user who has it at Clerk in the end, in each order", async () => {
    for (const turn of [false, true]) {
      const email = `handed-${turn}@example.com`;
      const [a, b] = [`user_p6_${turn}`, `user_p7_${turn}`];
      const events = [
        created({ id: a, version: 1, email }),
        updated({ id: a, version: 2, email: null }),
        created({ id: b, version: 3, email }),
      ];
      await queue.accept(...(turn ? events.toReversed() : events));
      await queue.run();
      expect(await find("clerkId", a)).toMatchObject({ email: `${a}@users.invalid` });
      expect(await find("clerkId", b)).toMatchObject({ email });
    }
  });

  it("takes the names that an ORM would choose for none of its own", async () => {
    const { rows } = await queue.pool.query(`
      select c.relname from pg_class as c
      join pg_index as i on i.indexrelid = c.oid
      where i.indrelid = '"User"'::regclass and c.relname not like 'clerk_sync%'
      order by c.relname collate "C"`);
    expect(rows.map(({ relname }) => relname)).toEqual(["User_clerkId_key", "User_email_key", "User_pkey"]);
  });
});

describe("a table of Drizzle with Clerk's id in a column of its own, whose deleted rows are marked", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(teamTables.drizzle, teamFiles.drizzle);
  });
  afterAll(() => queue?.drop());

  it("updates the row that was there: its address changes, its role and what is not mapped stay", async () => {
    await queue.pool.query("update users set organization_id = 'org_1' where clerk_user_id = 'user_old3'");
    const event = updated({ id: "user_old3", version: 1, email: "new3@example.com", firstName: "Olde" });
    await queue.accept(event);
    expect((await queue.rows()).filter(({ clerk_user_id }) => clerk_user_id === "user_old3")).toEqual([
      {
        id: 1,
        clerk_user_id: "user_old3",
        email: "new3@example.com",
        first_name: "Olde",
        last_name: "Lovelace",
        image_url: expect.any(String),
        organization_id: "org_1",
        role: "editor",
        deleted_at: null,
      },
    ]);
    await quiet(event);
  });

  it("fills its serial from its own sequence", async () => {
    await queue.accept(created({ id: "user_d1", version: 1 }));
    expect(await find("clerk_user_id", "user_d1")).toMatchObject({ id: expect.any(Number), role: "viewer" });
  });

  it("lets an address be deleted and signed up with twice", async () => {
    const email = "again@example.com";
    const ids = ["user_again1", "user_again2", "user_again3"];
    for (const [place, id] of ids.entries()) {
      await queue.accept(created({ id, version: 10 * place + 1, email }));
      await queue.run();
      if (place < 2) await queue.accept(deletedEvent({ id, version: 10 * place + 2 }));
      await queue.run();
    }
    const rows = (await queue.rows()).filter(({ clerk_user_id }) => ids.includes(String(clerk_user_id)));
    expect(rows.map(({ deleted_at }) => deleted_at !== null)).toEqual([true, true, false]);
    expect(rows.at(-1)).toMatchObject({ clerk_user_id: "user_again3", email });
    await queue.accept(updated({ id: "user_again1", version: 99, email }));
    await queue.run();
    expect((await find("clerk_user_id", "user_again1"))?.["deleted_at"]).not.toBeNull();
  });
});

describe("a soft-deleted row with a unique address", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(`${teamTables.drizzle} alter table users add unique (email);`, teamFiles.drizzle);
  });
  afterAll(() => queue?.drop());

  it("gives the address up to the next user who signs up with it, twice", async () => {
    const email = "again@example.com";
    const ids = ["user_u1", "user_u2", "user_u3"];
    for (const [place, id] of ids.entries()) {
      await queue.accept(created({ id, version: 10 * place + 1, email }));
      await queue.run();
      if (place < 2) await queue.accept(deletedEvent({ id, version: 10 * place + 2 }));
      await queue.run();
    }
    const rows = (await queue.rows()).filter(({ clerk_user_id }) => ids.includes(String(clerk_user_id)));
    expect(rows.map((row) => [row["email"], row["deleted_at"] !== null])).toEqual([
      ["user_u1@users.invalid", true],
      ["user_u2@users.invalid", true],
      [email, false],
    ]);
    await quiet(created({ id: "user_u3", version: 21, email }));
  });
});

describe("roles that live in the table of the app", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(teamTables.roles, teamFiles.roles);
  });
  afterAll(() => queue?.drop());

  const roleOf = async () => (await find("clerk_id", "user_old4"))?.["role"];
  const step = async (version: number, role?: string) => {
    const event = updated({ id: "user_old4", version, ...(role === undefined ? {} : { role }) });
    await queue.accept(event);
    await quiet(event);
    return roleOf();
  };

  it("stay while Clerk never gave one, follow Clerk from then on, and fall to the default when it takes the role back", async () => {
    expect(await step(1)).toBe("admin");
    expect(await step(2, "user")).toBe("user");
    expect(await step(3, "admin")).toBe("admin");
    expect(await step(4)).toBe("user");
  });

  it("fall to the default also when the event that gave one comes after the one that took it back", async () => {
    await queue.pool.query("insert into users (clerk_id, role) values ('user_late4', 'admin')");
    const newest = updated({ id: "user_late4", version: 5 });
    await queue.accept(newest);
    expect(await find("clerk_id", "user_late4")).toMatchObject({ role: "admin" });
    await queue.accept(updated({ id: "user_late4", version: 3, role: "editor" }));
    await queue.run();
    expect(await find("clerk_id", "user_late4")).toMatchObject({ role: "user" });
    await quiet(newest);
  });
});

describe("a table that is nothing but Clerk's id", () => {
  beforeAll(async () => {
    queue = await createMappedQueue(teamTables.cycles, teamFiles.cycles);
  });
  afterAll(() => queue?.drop());

  it("has the rows that other tables refer to, and loses them", async () => {
    const event = created({ id: "user_c1", version: 1 });
    expect(await queue.accept(event)).toEqual(["all"]);
    await queue.pool.query("insert into cycles values ('user_c1'); delete from cycles");
    await queue.accept(updated({ id: "user_c1", version: 2 }), event);
    await quiet(event);
    await queue.accept(deletedEvent({ id: "user_c1", version: 3 }));
    await queue.run();
    expect(await queue.rows()).toEqual([]);
  });
});

describe("rows from before without a Clerk id", () => {
  beforeAll(async () => {
    const orders = `
      create schema shop;
      create table shop.orders (buyer uuid references public.users (id));
      revoke all on schema shop from public;
      insert into users (email) values ('y@example.com'), ('z@example.com'), ('w@example.com');`;
    queue = await createMappedQueue(`${teamTables.customers} ${orders}`, teamFiles.customers);
  });
  afterAll(() => queue?.drop());

  const idOf = async (email: string) => (await find("email", email))?.["id"];

  it("are linked when the address is verified later, and the row of the user until then is gone", async () => {
    const old = await idOf("x@example.com");
    const facts = { id: "user_x", version: 1, email: "x@example.com" };
    await queue.accept(created({ ...facts, verified: false }));
    await queue.run();
    expect(await find("clerk_id", "user_x")).toMatchObject({ email: null });
    const event = updated({ ...facts, version: 2 });
    await queue.accept(event);
    await queue.run();
    const rows = (await queue.rows()).filter((row) => row["email"] === "x@example.com" || row["clerk_id"] === "user_x");
    expect(rows).toEqual([{ id: old, clerk_id: "user_x", email: "x@example.com" }]);
    expect(await queue.state("user_x")).toMatchObject({ unlinked_row: null, withheld_email: null });
    await quiet(event);
  });

  it("are linked whatever the case of the address, and have the one of Clerk then", async () => {
    const old = await idOf("Old.Customer@Example.com");
    const event = created({ id: "user_old", version: 1, email: "old.customer@example.com" });
    await queue.accept(event);
    await queue.run();
    expect(await find("clerk_id", "user_old")).toEqual({
      id: old,
      clerk_id: "user_old",
      email: "old.customer@example.com",
    });
    await quiet(event);
  });

  it("are left alone, and named, when a row of another table refers to the row that the user has by then", async () => {
    const old = await idOf("y@example.com");
    const facts = { id: "user_y", version: 1, email: "y@example.com" };
    await queue.accept(created({ ...facts, verified: false }));
    await queue.run();
    const own = (await find("clerk_id", "user_y"))?.["id"];
    await queue.pool.query("insert into shop.orders values ($1)", [own]);
    await queue.accept(updated({ ...facts, version: 2 }));
    await queue.run();
    expect(await find("clerk_id", "user_y")).toEqual({ id: own, clerk_id: "user_y", email: null });
    expect(await find("id", old)).toEqual({ id: old, clerk_id: null, email: "y@example.com" });
    expect(await queue.state("user_y")).toMatchObject({ unlinked_row: old });
    await queue.pool.query("delete from shop.orders");
    await queue.accept(updated({ ...facts, version: 3 }));
    await queue.run();
    expect(await find("clerk_id", "user_y")).toEqual({ id: old, clerk_id: "user_y", email: "y@example.com" });
    expect(await queue.state("user_y")).toMatchObject({ unlinked_row: null });
  });

  it("are left alone when the table has a foreign key that the migration did not know", async () => {
    const old = await idOf("z@example.com");
    const facts = { id: "user_z", version: 1, email: "z@example.com" };
    await queue.accept(created({ ...facts, verified: false }));
    await queue.run();
    await queue.pool.query("create table later (buyer uuid references users (id))");
    await queue.accept(updated({ ...facts, version: 2 }));
    await queue.run();
    expect(await queue.state("user_z")).toMatchObject({ unlinked_row: old });
    await queue.pool.query("drop table later");
  });

  it.each(["was linked", "was there with the Clerk id"])(
    "are left alone, and named, when the row of the user %s",
    async (kind) => {
      const [id, first, second] = [`user_${kind.length}`, `a${kind.length}@example.com`, `b${kind.length}@example.com`];
      await queue.pool.query("insert into users (clerk_id, email) values ($1, $2)", [
        kind === "was linked" ? null : id,
        first,
      ]);
      await queue.accept(created({ id, version: 1, email: first }));
      await queue.run();
      const own = await idOf(first);
      expect(await find("clerk_id", id)).toMatchObject({ id: own });
      await queue.pool.query("insert into users (email) values ($1)", [second]);
      const other = await idOf(second);
      await queue.accept(updated({ id, version: 2, email: second }));
      await queue.run();
      expect(await find("clerk_id", id)).toEqual({ id: own, clerk_id: id, email: null });
      expect(await find("id", other)).toEqual({ id: other, clerk_id: null, email: second });
      expect(await queue.state(id)).toMatchObject({ unlinked_row: other });
    },
  );

  it("are linked when the user has no row yet, although another table has a foreign key that is new", async () => {
    const old = await idOf("w@example.com");
    await queue.pool.query("create table later (buyer uuid references users (id))");
    await queue.pool.query("insert into later values ($1)", [old]);
    await queue.accept(created({ id: "user_w", version: 1, email: "w@example.com" }));
    await queue.run();
    expect(await find("clerk_id", "user_w")).toMatchObject({ id: old });
  });
});

describe("an enum that may not be null and has a default of its own", () => {
  it("is compared also with a value that is none of its labels", async () => {
    const plans = `
      create type plan as enum ('free', 'pro');
      create table users (clerk_id text primary key, plan plan not null default 'free');`;
    queue = await createMappedQueue(plans, { key: "clerk_id", columns: { plan: "public_metadata.plan" } });
    try {
      const event = created({ id: "user_plan", version: 1 });
      const other = { ...event, data: { ...event.data, public_metadata: { plan: "other" } } };
      await queue.accept(other);
      await queue.run();
      expect(await queue.rows()).toEqual([{ clerk_id: "user_plan", plan: "free" }]);
      expect(await queue.compare(other)).toEqual([]);
    } finally {
      await queue.drop();
    }
  });
});
