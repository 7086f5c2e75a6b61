import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkTable } from "../../../mapping/check-table.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { generateScript } from "../../../mapping/generate-schema.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../../../mapping/quote.ts";
import { readRows } from "../../../mapping/read-rows.ts";
import { readTable } from "../../../mapping/read-table.ts";
import { resolveMapping } from "../../../mapping/resolve.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { applyRemedies } from "../../support/mapping/apply-remedies.ts";
import { configureUsers } from "../../support/mapping/configure-users.ts";
import { openMappedQueue } from "../../support/mapping/mapped-queue.ts";
import { type RandomRun, randomRuns } from "../../support/mapping/random-runs.ts";
import { createRowModel } from "../../support/mapping/row-model.ts";
import { soak } from "../../support/processes/soak.ts";

let opened: TestDatabase;
beforeAll(async () => {
  opened = await createTestDatabase();
  await opened.pool.query(`
    set timezone = 'UTC'; -- the model casts as the functions do
    do $$ begin execute format('alter database %I set timezone = ''UTC''', current_database()); end $$;
    create schema contract; alter table public.users set schema contract;
    create schema ext; create extension citext schema ext; create type ext."Plan" as enum ('free');
    grant usage on schema ext to service_role`);
});
afterAll(() => opened?.drop());

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

it("whatever the table and the file, rows are as a model of the rules has them, and a compare finds nothing", async () => {
  console.log(`apply-random-tables: SEED=${seed}`);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(randomRuns, async (random) => {
      run += 1;
      await play(await makeTable(`run_${run}`, random), random);
      await opened.pool.query(`drop schema if exists run_${run - 1} cascade`);
    }),
    { numRuns: soak === 1 ? 40 : 50 * soak, seed, endOnFailure: true },
  );
});

/** Makes the table, does what the check asks for, and applies the migration of the file. */
async function makeTable(schema: string, random: RandomRun): Promise<Mapping> {
  const client = await opened.pool.connect();
  try {
    let users: Pick<Configuration, "users"> = configureUsers({ ...random.file, table: { schema, name: "users" } });
    const lines = random.columns.map(({ name, definition }) => `${quoteIdentifier(name)} ${definition}`);
    await client.query(`
      alter type ext."Plan" rename to ${schema}; -- the run before may have given it labels
      create type ext."Plan" as enum ('free', 'pro');
      create schema ${schema};
      create table ${schema}.users (${[`clerk_id text ${random.keyIsPrimary ? "primary key" : "unique"}`, ...lines].join(", ")});
      truncate clerk_sync.records, clerk_sync.user_state, public.job_queue cascade`);
    for (let round = 0; ; round += 1) {
      const facts = await readTable(client, users.users.table);
      if (facts === null) throw new Error("no table");
      const problems = checkTable(users, facts, await readRows(client, users, facts));
      const mapping = resolveMapping(users, { users: facts });
      if (problems.length === 0) {
        await client.query(`begin; ${generateScript(mapping)} commit`);
        return mapping;
      }
      if (round > 3) throw new Error(JSON.stringify(problems));
      users = await applyRemedies(client, users, problems);
    }
  } finally {
    client.release();
  }
}

async function play(mapping: Mapping, random: RandomRun): Promise<void> {
  const queue = openMappedQueue(opened, mapping);
  const table = quoteTable(mapping.users.table);
  const model = createRowModel(opened.pool, mapping, { order: "as told" });
  try {
    for (const id of random.seeded) {
      await opened.pool.query(`insert into ${table} (clerk_id) values (${quoteLiteral(id)})`).catch(() => undefined); // it may need more
    }
    await model.start();
    for (const { event, eventId, how } of random.arrivals) {
      if (how === "webhook") await queue.acceptAs(eventId, event);
      else await queue.enqueueAs(eventId, event);
      await queue.run();
      model.arrive(event, eventId);
    }
    const { rows: failed } = await opened.pool.query(
      "select clerk_id, status, error from public.job_queue where status <> 'COMPLETED'",
    );
    expect(failed).toEqual([]);
    expect(await model.read()).toEqual(await model.rows());
    // what the sync reads of Clerk's API in the end settles who has which address
    await queue.readAgain(random.last);
    expect(await model.read()).toEqual(await model.rows());
    expect(await model.readEmails()).toEqual(await model.emails());
    expect(await queue.compare(...random.last)).toEqual([]);
  } finally {
    await queue.end();
  }
}
