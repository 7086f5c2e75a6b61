import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { explainError } from "#core/admin/job-words.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";

let system: AdminSystem;
beforeAll(async () => {
  system = await startAdminSystem();
});
afterAll(() => system?.stop());

const jobOf = async (id: string) => {
  const { body } = await system.ask("GET", `/jobs?clerk_id=${id}&limit=1`);
  return (body["jobs"] as { id: string; status: string }[])[0] ?? { id: "", status: "" };
};

describe("a job that failed", () => {
  it("is found by its address, read, retried, and done; the audit knows who did it", async () => {
    await system.deliver("user_dead");
    const { id } = await jobOf("user_dead");
    await system.server.one(
      "update job_queue set status = 'DEAD', error = 'auth_rejected: ada@example.com is no address', processed_at = now() where id = $1",
      [id],
    );
    const found = await system.ask("GET", "/jobs?status=DEAD,FAILED&q=user_dead@example.com");
    expect(found.body).toMatchObject({ jobs: [{ id, clerk_id: "user_dead" }], next: null });
    const groups = (await system.ask("GET", "/dead-letters")).body;
    expect(groups).toMatchObject({
      groups: [{ code: "auth_rejected", count: 1, sample_job_id: id, ...explainError("auth_rejected: x") }],
    });
    expect((await system.ask("GET", `/jobs/${id}`)).body["trouble"]).toEqual(explainError("auth_rejected: x"));
    expect(JSON.stringify([found.body, groups])).not.toContain("ada@example.com");
    expect(await system.verdictOf("user_dead")).toMatchObject({ code: "dead_letter", job_id: id });
    expect((await system.ask("POST", "/jobs/retry", { ids: [id] })).body).toEqual({ changed: 1 });
    await system.server.quiet();
    expect((await system.ask("GET", `/jobs/${id}`)).body).toMatchObject({
      status: "COMPLETED",
      error: null,
      trouble: null,
    });
    expect(await system.verdictOf("user_dead")).not.toMatchObject({ code: "dead_letter" });
    expect(await system.audited(id)).toEqual(["Ada retry_jobs"]);
  });

  it("and all like it are counted first and then changed in slices until none is left", async () => {
    const ids = Array.from({ length: 5 }, (_, place) => `user_bulk_${place}`);
    for (const id of ids) await system.deliver(id);
    await system.server.one(
      "update job_queue set status = 'DEAD', error = 'bulk: x', processed_at = now() where clerk_id like 'user_bulk_%'",
    );
    const filter = { status: ["DEAD"], code: "bulk" };
    expect((await system.ask("POST", "/jobs/count", { filter, action: "cancel" })).body).toEqual({
      count: 5,
      is_exact: true,
    });
    const action = { filter, operation: randomUUID(), before: new Date(Date.now() + 1000).toISOString(), limit: 2 };
    const changed = [];
    for (let slice = 0; slice < 4; slice++)
      changed.push((await system.ask("POST", "/jobs/cancel", action)).body["changed"]);
    expect(changed).toEqual([2, 2, 1, 0]);
    expect(await system.audited(action.operation)).toEqual(["Ada cancel_jobs"]);
    expect((await system.ask("GET", "/jobs/counts?q=user_bulk_1")).body["statuses"]).toMatchObject({
      CANCELLED: 1,
      DEAD: 0,
    });
  });

  it("shows its payload masked, and as it is only to who is put down for it", async () => {
    await system.deliver("user_masked", { phone: "+4915112345678" });
    const { id } = await jobOf("user_masked");
    const masked = await system.ask("GET", `/jobs/${id}`);
    expect(masked.body).toMatchObject({ is_revealed: false, payload: { clerk_id: "user_masked", name: "A*** L***" } });
    expect(JSON.stringify(masked.body)).not.toMatch(/Lovelace|example\.com|15112345678/);
    expect(await system.audited(id)).toEqual([]);
    const revealed = await system.ask("POST", `/jobs/${id}/reveal`);
    expect(revealed.body).toMatchObject({ is_revealed: true, payload: { email: "user_masked@example.com" } });
    expect(await system.audited(id)).toEqual(["Ada reveal_job"]);
  });

  it("that there is none of is 404", async () => {
    expect((await system.ask("GET", `/jobs/${randomUUID()}`)).status).toBe(404);
    expect((await system.ask("POST", `/jobs/${randomUUID()}/reveal`)).status).toBe(404);
  });
});

it("lists come in pages, each job once, and a cursor of another list is refused", async () => {
  for (const place of [1, 2, 3]) await system.deliver(`user_page_${place}`);
  const seen: string[] = [];
  let cursor: unknown = "";
  do {
    const { body } = await system.ask("GET", `/jobs?source=webhook&limit=2${cursor ? `&cursor=${cursor}` : ""}`);
    seen.push(...(body["jobs"] as { id: string }[]).map(({ id }) => id));
    cursor = body["next"];
  } while (cursor !== null);
  const stored = await system.server.one("select count(*)::int as n from job_queue where source = 'webhook'");
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.length).toBe(stored?.["n"]);
  const { body } = await system.ask("GET", "/users?limit=1");
  expect((await system.ask("GET", `/jobs?cursor=${body["next"]}`)).body).toMatchObject({ code: "request_invalid" });
});
