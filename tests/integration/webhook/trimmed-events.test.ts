import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FreshUser } from "#core/clerk/clerk-api.ts";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { createRunsDatabase } from "#core/reconcile/runs-database.ts";
import { createAcceptEvents } from "#core/webhook/accept-events.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { at, type UserFacts, userEvent } from "../../support/clerk/build-event.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createQueue, type Queue, toJob } from "../../support/database/queue.ts";

// Law 11: absent is not null. What an event does not carry stays as it is, and the user is read again.

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

const rules = { fields: rootFields, deleteBrake: null } as const;
type EventType = "user.created" | "user.updated";

/** Each group of fields that a transformation may take out, and how mapUser names it. */
const groups: readonly (readonly [string, readonly string[]])[] = [
  ["email", ["email_addresses", "primary_email_address_id"]],
  ["phone", ["phone_numbers", "primary_phone_number_id"]],
  ["name", ["first_name", "last_name"]],
  ["user_role", ["public_metadata"]],
  ["external_id", ["external_id"]],
  ["banned", ["banned"]],
  ["locked", ["locked"]],
  ["created_at", ["created_at"]],
];
/** With the field that is optional at Clerk: alone it may be absent. */
const everything = [...groups.flatMap(([, fields]) => fields), "deprovisioned"];

function trimmed(facts: UserFacts, fields: readonly string[] = everything, type: EventType = "user.updated") {
  const event = userEvent(type, facts);
  const data = Object.entries(event.data).filter(([field]) => !fields.includes(field));
  return { ...event, data: Object.fromEntries(data) };
}

const rich = (id: string, version: number): UserFacts => ({
  id,
  version,
  role: "admin",
  phone: "+15555550100",
  externalId: `crm-${id}`,
  banned: true,
});

/** What the sync keeps of a user, without what changes with each event. */
async function readUser(id: string) {
  const { email, name, role } = (await queue.user(id)) ?? {};
  const { phone, email_verified, banned, locked, external_id } = (await queue.state(id)) ?? {};
  return { email, name, role, phone, email_verified, banned, locked, external_id };
}

function freshUser(data: unknown): FreshUser {
  const user = parseUser(data);
  return { deleted: false, version: user.updated_at ?? 0, user };
}

/** Works as a worker with CLERK_SECRET_KEY does. */
async function work(answer: FreshUser) {
  const reads: string[] = [];
  const read = async (clerkId: string) => {
    reads.push(clerkId);
    return answer;
  };
  const dependencies = { database: queue.database, mirrorUser: null, readUser: read, now: Date.now, ...rules };
  await processQueue(dependencies, { budgetMilliseconds: 10_000 });
  return reads;
}

const asked = { refresh_reason: "event_trimmed", refresh_due_at: expect.any(Date) };
const settled = { refresh_reason: null, refresh_due_at: null };

describe("a trimmed user.updated", () => {
  it("with an id and a time alone leaves everything as it is, and asks for one read", async () => {
    await queue.send(userEvent("user.created", rich("user_bare", 1)));
    await queue.run();
    const before = await readUser("user_bare");
    await queue.send(trimmed(rich("user_bare", 5)), "msg_bare");
    expect(await queue.run()).toEqual(["COMPLETED"]);
    expect(await readUser("user_bare")).toEqual(before);
    expect(await queue.state("user_bare")).toMatchObject({ version: String(at(5)), ...asked });
    const { result } = await queue.job("msg_bare");
    expect(result).toMatchObject({ applied: true, refresh: "event_trimmed" });
    expect(new Set(Object(result)["absent"])).toEqual(new Set([...groups.map(([name]) => name), "deprovisioned"]));
  });

  it("leaves an optional field as it is, and an older full event that comes later brings it", async () => {
    const facts = { id: "user_left", version: 1 };
    const deprovisioned = (version: number, value: boolean) => {
      const event = userEvent("user.updated", { ...facts, version });
      return { ...event, data: { ...event.data, deprovisioned: value } };
    };
    await queue.send(deprovisioned(1, true));
    await queue.send(trimmed({ ...facts, version: 5 }));
    await queue.run();
    expect(await queue.state("user_left")).toMatchObject({ version: String(at(5)), deprovisioned: true });
    await queue.send(deprovisioned(3, false));
    await queue.run();
    expect(await queue.state("user_left")).toMatchObject({ version: String(at(5)), deprovisioned: false });
  });

  it.each(groups)("without %s leaves that as it is, and applies the rest", async (name, fields) => {
    const id = `user_no_${name}`;
    await queue.send(userEvent("user.created", rich(id, 1)));
    await queue.run();
    const before = await readUser(id);
    const facts: UserFacts = { id, version: 5, email: `new.${id}@example.com`, verified: false, firstName: "Grace" };
    await queue.send(trimmed(facts, fields));
    await queue.run();
    const after = {
      email: facts.email,
      email_verified: false,
      name: "Grace Lovelace",
      role: "user",
      phone: null,
      banned: false,
      locked: false,
      external_id: null,
    };
    const kept = name === "user_role" ? ["role"] : name === "email" ? ["email", "email_verified"] : [name];
    const expected = Object.entries(after).map(([field, value]) => [
      field,
      kept.includes(field) ? before[field as keyof typeof before] : value,
    ]);
    expect(await readUser(id)).toEqual(Object.fromEntries(expected));
    expect(await queue.state(id)).toMatchObject({ absent: [name], absent_version: String(at(1)), ...asked });
  });

  it("is left to a worker by the webhook, and applied alike", async () => {
    const accept = createAcceptEvents({ call: createCallFunction(queue.pool), apply: { mirrors: false } });
    await accept([toJob(userEvent("user.created", rich("user_hook", 1)), `msg_${randomUUID()}`)], 15);
    const before = await readUser("user_hook");
    const [answer] = await accept([toJob(trimmed(rich("user_hook", 5)), "msg_hook")], 15);
    expect(answer).toMatchObject({ outcome: "queued", applied: "no" });
    await queue.run();
    expect(await readUser("user_hook")).toEqual(before);
    expect(before).toMatchObject({ role: "admin", email: "user_hook@example.com" });
    expect(await queue.state("user_hook")).toMatchObject(asked);
    expect(await queue.job("msg_hook")).toMatchObject({ status: "COMPLETED", result: { refresh: "event_trimmed" } });
  });

  it("of a new user makes a row of what it carries", async () => {
    await queue.send(trimmed({ id: "user_stub", version: 5 }, ["email_addresses", "public_metadata"], "user.created"));
    await queue.run();
    expect(await readUser("user_stub")).toMatchObject({ email: null, name: "Ada Lovelace", role: "user" });
    expect(await queue.state("user_stub")).toMatchObject(asked);
  });

  it("is settled by the next event that carries everything", async () => {
    await queue.send(userEvent("user.created", rich("user_whole", 1)));
    await queue.send(trimmed(rich("user_whole", 5)));
    await queue.run();
    await queue.send(userEvent("user.updated", { id: "user_whole", version: 6, email: null }));
    await queue.run();
    expect(await readUser("user_whole")).toMatchObject({ email: null, phone: null, role: "user", banned: false });
    expect(await queue.state("user_whole")).toMatchObject({ absent: null, absent_version: null, ...settled });
  });

  it("does not bring an old address back that another user has by now", async () => {
    const email = "moved@example.com";
    await queue.send(userEvent("user.created", { id: "user_mover", version: 1, email }));
    await queue.run();
    await queue.send(trimmed({ id: "user_mover", version: 9 }));
    await queue.run();
    await queue.send(userEvent("user.created", { id: "user_taker", version: 4, email }));
    await queue.run();
    expect(await queue.user("user_taker")).toMatchObject({ email });
    expect(await queue.user("user_mover")).toMatchObject({ email: null });
  });
});

describe("order of arrival does not matter", () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const ways = [
    ...orders.map((order) => ["one by one", order] as const),
    ...orders.map((order) => ["together", order] as const),
  ];

  it.each(ways)("%s, in the order %j", async (way, order) => {
    const id = `user_${way.replaceAll(" ", "_")}_${order.join("")}`;
    const events = [
      userEvent("user.created", { ...rich(id, 1), role: "user", email: `first.${id}@example.com` }),
      userEvent("user.updated", { ...rich(id, 3), firstName: "Grace" }),
      trimmed(
        { id, version: 5, firstName: "Mary" },
        [...everything].filter((field) => !field.endsWith("_name")),
      ),
    ];
    for (const place of order) {
      await queue.send(events[place]);
      if (way === "one by one") await queue.run();
    }
    await queue.run();
    expect(await readUser(id)).toEqual({
      email: `${id.toLowerCase()}@example.com`,
      email_verified: true,
      name: "Mary Lovelace",
      role: "admin",
      phone: "+15555550100",
      banned: true,
      locked: false,
      external_id: `crm-${id}`,
    });
    expect(await queue.state(id)).toMatchObject({ version: String(at(5)), absent_version: String(at(3)), ...asked });
  });

  it("an event that comes late has its mirror tried again when that failed", async () => {
    await queue.send(trimmed({ id: "user_late", version: 5 }));
    await queue.run();
    const late = await queue.send(userEvent("user.created", { id: "user_late", version: 1 }));
    expect(late.outcome).toBe("queued");
    const claim = () => queue.database.runJobs({ limit: 10, leaseSeconds: 60, canRead: false, ...rules });
    const { token, mirror } = await claim();
    expect(mirror).toMatchObject([{ clerk_id: "user_late", email: "user_late@example.com" }]);
    const job_id = mirror[0]?.job_id ?? "";
    await queue.database.settleJobs(token, [{ job_id, outcome: "retry", error: "auth_unavailable: down" }], []);
    await queue.pool.query("update public.job_queue set run_at = now() where clerk_id = 'user_late'");
    expect((await claim()).mirror).toMatchObject([{ job_id }]);
    await queue.pool.query("delete from public.job_queue where clerk_id = 'user_late'");
  });
});

describe("a read from Clerk's API", () => {
  it("settles a trimmed event, and is made once", async () => {
    await queue.pool.query("update clerk_sync.records set refresh_due_at = null");
    await queue.send(trimmed({ id: "user_read", version: 5 }));
    const answer = freshUser(userEvent("user.updated", { ...rich("user_read", 5), firstName: "Grace" }).data);
    expect(await work(answer)).toEqual(["user_read"]);
    expect(await readUser("user_read")).toMatchObject({ name: "Grace Lovelace", role: "admin" });
    expect(await queue.state("user_read")).toMatchObject({ absent: null, ...settled });
    expect(await work(answer)).toEqual([]);
  });

  it("that lacks fields keeps the columns and asks for nothing more", async () => {
    await queue.send(userEvent("user.created", rich("user_poor", 1)));
    await queue.run();
    const before = await readUser("user_poor");
    await queue.send(trimmed({ id: "user_poor", version: 5 }));
    const poor = freshUser(trimmed({ id: "user_poor", version: 5 }).data);
    expect(await work(poor)).toEqual(["user_poor"]);
    expect(await readUser("user_poor")).toEqual(before);
    expect(await queue.state("user_poor")).toMatchObject({ ...settled, absent_version: String(at(1)) });
    expect(await work(poor)).toEqual([]);
  });

  it("of ensure-user makes a row of what it carries, and asks for nothing more", async () => {
    const { user, version } = freshUser(trimmed({ id: "user_ensured", version: 5 }, ["public_metadata"]).data) as {
      user: Parameters<typeof mapUser>[0];
      version: number;
    };
    const own = await queue.database.ensureUser({
      clerkId: "user_ensured",
      version,
      payload: { ...mapUser(user, rootFields) },
      readAt: new Date().toISOString(),
      maxAttempts: 15,
    });
    expect(own).toMatchObject({ state: "present", row: { role: "user", name: "Ada Lovelace" } });
    expect(await queue.state("user_ensured")).toMatchObject(settled);
  });

  it("as a page of a list reports no difference in what it lacks, and changes nothing of it", async () => {
    await queue.send(userEvent("user.created", rich("user_listed", 3)));
    await queue.run();
    const before = await readUser("user_listed");
    const runs = createRunsDatabase(createCallFunction(queue.pool), 15);
    const row = (version: number) => ({
      clerk_id: "user_listed",
      version: at(version),
      payload: mapUser(parseUser(trimmed(rich("user_listed", version)).data), rootFields),
    });
    expect(await runs.compareUsers([row(3)], false, false)).toEqual([]);
    expect(await runs.compareUsers([row(9)], false, false)).toEqual([
      { clerk_id: "user_listed", kind: "stale", fields: [] },
    ]);
    const job = { ...row(9), event_id: "backfill_1", job_type: "USER_UPDATED" as const, source: "backfill" as const };
    await queue.database.enqueue([{ ...job, payload: { ...job.payload, retry_count: 0 } }], 15);
    await queue.run();
    expect(await readUser("user_listed")).toEqual(before);
    expect(await queue.state("user_listed")).toMatchObject({ version: String(at(9)), ...settled });
  });
});

describe("a role that is none here", () => {
  it.each([
    [["admin"], "array"],
    [{ name: "admin" }, "object"],
    ["ADMIN", "text"],
    ["admin ", "text"],
    ["admin\u0000", "text"],
  ])("%j is stored as the default, and job and user say that it was ignored", async (role, kind) => {
    const id = `user_role_${randomUUID()}`;
    await queue.send(userEvent("user.created", { id, version: 1, role }), `msg_${id}`);
    await queue.run();
    expect(await queue.user(id)).toMatchObject({ role: "user" });
    expect(await queue.job(`msg_${id}`)).toMatchObject({ result: { applied: true, ignored: { role: kind } } });
    const { user } = (await queue.one("select public.clerk_sync_admin_user($1) as user", [id])) ?? {};
    expect(user).toMatchObject({ state: { ignored: { role: kind } } });
    await queue.send(trimmed({ id, version: 2 }));
    await queue.run();
    expect(await queue.state(id)).toMatchObject({ ignored: { role: kind } });
    await queue.send(userEvent("user.updated", { id, version: 3, role: "admin" }));
    await queue.run();
    expect(await queue.state(id)).toMatchObject({ ignored: null });
  });
});
