import { afterAll, beforeAll, expect, it } from "vitest";
import { applyFile } from "../../support/mapping/mapped-queue.ts";
import { runCommand } from "../../support/processes/run-command.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";

// A table whose columns have other names, none of which may be null, and whose rows stay when a user is deleted.
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await server.pool.query(`
    create schema contract;
    alter table public.users set schema contract;
    create table public.members (
      id serial primary key,
      clerk_user_id varchar(64) unique not null,
      mail varchar(320) unique not null,
      full_name text not null,
      level text not null,
      is_gone timestamptz
    )`);
  await applyFile(server.pool, {
    table: "members",
    key: "clerk_user_id",
    columns: {
      mail: { from: "email", default: "{id}@users.invalid" },
      full_name: { from: "name", default: "Somebody" },
      level: { from: "public_metadata.role", default: "viewer", allowed: ["viewer", "admin"] },
    },
    softDelete: "is_gone",
  });
});
afterAll(() => server?.stop());

const target = () => {
  const { url, webhookSecret, secretKey } = server.settings;
  return ["--url", url, "--secret", webhookSecret, "--secret-key", secretKey, "--json"];
};
const count = async (condition: string) =>
  (await server.one(`select count(*)::int as n from public.members where ${condition}`))?.["n"];

it("verify passes every step, and takes the row that is kept out again", async () => {
  const { exitCode, stdout } = await runCommand(["verify", ...target()]);
  const { steps, cleanUp } = JSON.parse(stdout);
  expect(steps.filter(({ state }: { state: string }) => state !== "ok")).toEqual([]);
  expect(steps.at(-1).what).toBe("the row is kept, marked as deleted");
  expect({ exitCode, cleanUp }).toEqual({
    exitCode: 0,
    cleanUp: { done: true, what: expect.stringContaining("rows: 1") },
  });
  expect(await count("true")).toBe(0);
});

it("simulate sees every row as the mapping wants it, and names the column of a row that is not", async () => {
  const simulate = async () => {
    const args = ["simulate", "--count", "120", "--users", "30", "--seed", "7", "--shuffle", "--timeout", "20"];
    const { exitCode, stdout } = await runCommand([...args, ...target()]);
    return { exitCode, ...JSON.parse(stdout) };
  };
  expect(await simulate()).toMatchObject({ exitCode: 0, differences: [] });
  expect(await count("is_gone is null")).toBeGreaterThan(0);
  await server.pool.query("update public.members set level = 'admin', full_name = 'x'");
  const { exitCode, differences } = await simulate();
  expect(exitCode).toBe(1);
  expect(new Set(differences.map(({ field }: { field: string }) => field))).toEqual(new Set(["full_name", "level"]));
});
