import { expect, it, onTestFinished } from "vitest";
import { createDatabase } from "#core/database/database.ts";
import { processAlone } from "#core/worker/process-queue.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { organization, organizationDeleted } from "../../support/clerk/kind-events.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { createKindQueue } from "../../support/database/kind-queue.ts";
import { soak } from "../../support/processes/soak.ts";

const members = 10_000 * soak;

it(`an organization of ${members} members ends in one transaction, in a call of its own`, async () => {
  const queue = await createKindQueue();
  onTestFinished(() => queue.drop());
  await queue.accept(organization("org_a", 0));
  await queue.pool.query(
    `with member as (select 'orgmem_' || n as id, 'user_' || n as user_id from generate_series(1, $1::integer) as n),
       row as (
         insert into public.organization_memberships (id, organization_id, user_id)
         select id, 'org_a', user_id from member
       ),
       record as (insert into clerk_sync.records (id, kind, version) select id, 'membership', 1 from member)
     insert into clerk_sync.membership_state (id, organization_id, user_id, created_at, has_row)
     select id, 'org_a', user_id, now(), true from member`,
    [members],
  );
  await queue.enqueue({ ...organizationDeleted("org_a", 5), event_id: "deletion" });
  await queue.run();
  expect(await queue.job("deletion")).toMatchObject({ status: "PENDING", runs_alone: true, attempts: 0 });
  expect(await queue.members()).toHaveLength(members);

  const database = createDatabase(createCallFunction(queue.pool));
  const calls: string[] = [];
  const dependencies = {
    database: {
      ...database,
      applyAlone: (...args: Parameters<typeof database.applyAlone>) => {
        calls.push(args[0].limit);
        return database.applyAlone(...args);
      },
    },
    mirrorUser: null,
    readUser: null,
    fields: rootFields,
    deleteBrake: null,
    now: Date.now,
  };
  const start = performance.now();
  await processAlone(dependencies, { budgetMilliseconds: 100_000 });
  console.log(`${members} memberships ended in ${Math.round(performance.now() - start)} ms`);
  expect(calls).toEqual(["large"]);
  expect(await queue.job("deletion")).toMatchObject({ status: "COMPLETED" });
  expect(await queue.members()).toEqual([]);
  expect(await queue.rows("select id from public.organizations")).toEqual([]);
});
