import { afterEach, beforeEach, expect, it } from "vitest";
import { mapEvent } from "#core/clerk/map-event.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import { createDatabase } from "#core/database/database.ts";
import { processQueue } from "#core/worker/process-queue.ts";
import { buildMessage } from "../../../local/simulate/build-event.ts";
import { expectUser } from "../../../local/simulate/expect-user.ts";
import { buildOrganizationMessage } from "../../../local/simulate/organizations/build-organization-event.ts";
import { checkRecords, type StoredRecord } from "../../../local/simulate/organizations/check-records.ts";
import { expectOrganization } from "../../../local/simulate/organizations/expect-organization.ts";
import { planSimulation } from "../../../local/simulate/run-simulation.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { allRecords } from "../../support/clerk/record-fields.ts";
import { storedFields } from "../../support/clerk/root-fields.ts";
import { createKindQueue, type KindQueue } from "../../support/database/kind-queue.ts";

let queue: KindQueue;
beforeEach(async () => {
  queue = await createKindQueue();
});
afterEach(() => queue?.drop());

const kinds = new Map([...allRecords].filter(([kind]) => kind !== "invitation"));

it.each([1, 2, 3])("organizations of a simulation are right after any order of delivery: seed %i", async (seed) => {
  const order = { shuffle: true, duplicate: true, concurrency: 1, rate: null, timeout: 0 };
  const simulation = planSimulation({ ...order, count: 120, users: 40, organizations: 30 }, seed, Date.now());
  const { scenario, histories, organizations, deliveries } = simulation;
  const happenings = organizations.flat();
  const call = createCallFunction(queue.pool);
  const database = createDatabase(call);
  const work = () =>
    processQueue(
      { database, mirrorUser: null, readUser: null, fields: storedFields, deleteBrake: null, now: Date.now },
      { budgetMilliseconds: 60_000 },
    );
  const jobOf = (event: number) => {
    const happening = happenings[event - scenario.events];
    const { id, body } =
      happening === undefined
        ? buildMessage(scenario, event, histories(scenario.ownerOf[event] ?? 0))
        : buildOrganizationMessage(scenario, event - scenario.events, happening);
    const parsed = parseEvent(body, kinds);
    return parsed.type === "unhandled" ? null : mapEvent(parsed, id, storedFields, kinds);
  };
  for (let start = 0; start < deliveries.length; start += 20) {
    const jobs = [...new Set(deliveries.slice(start, start + 20))].flatMap((event) => jobOf(event) ?? []);
    await call("clerk_sync_accept", { p_jobs: jobs });
    if (start % 60 === 0) await work();
  }
  for (;;) {
    await work();
    const [left] = await queue.rows(
      "select count(*)::int as count from public.job_queue where status in ('PENDING', 'FAILED')",
    );
    if (left?.["count"] === 0) break;
    await queue.rows("update public.job_queue set run_at = now() where status in ('PENDING', 'FAILED')");
  }
  const gone = new Set(
    Array.from({ length: scenario.users }, (_, user) => expectUser(histories(user)))
      .filter(({ deleted }) => deleted)
      .map(({ clerkId }) => clerkId),
  );
  const expected = organizations.flatMap((history) => expectOrganization(history, (userId) => gone.has(userId)));
  const checked = await checkRecords(
    expected,
    {
      askRecords: async (p_kind, p_ids) => ({
        value: (await call("clerk_sync_records", { p_kind, p_ids })) as StoredRecord[],
      }),
      timeoutMs: 0,
    },
    { clock: { now: Date.now, sleep: () => Promise.resolve() }, onProgress: () => undefined },
  );
  expect(checked).toMatchObject({ state: "checked", outOfStep: 0, differences: [] });
});
