import { expect, it } from "vitest";
import { runCommand } from "../../tests/support/processes/run-command.ts";

const databaseUrl = "postgres://u:secret@127.0.0.1:1/none";

it("serve without DATABASE_URL is refused, and names the local server and every other problem", async () => {
  const { exitCode, stderr } = await runCommand(["serve"]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^error config_invalid: The environment has 2 problem/);
  expect(stderr).toMatch(/DATABASE_URL is not set.*serve --local.*\n.*AUTH_MIRROR=off/);
});

it.each([
  ["no SUPABASE_URL", {}],
  ["no key for it", { SUPABASE_URL: "http://127.0.0.1:1" }],
])("with the mirror on and %s a worker is refused, and told of AUTH_MIRROR=off", async (_, env) => {
  const given = { DATABASE_URL: databaseUrl, ...env };
  for (const args of [["serve"], ["serve", "--only", "worker"]]) {
    expect(await runCommand(args, { environment: given })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/config_invalid: .*AUTH_MIRROR=off/s),
    });
  }
});

it("an instance that only takes events needs no mirror", async () => {
  const { stderr } = await runCommand(["serve", "--only", "webhook", "--port", "1"], {
    environment: { DATABASE_URL: databaseUrl },
  });
  expect(stderr).not.toContain("config_invalid");
});

it.each([
  [["--only", "webhooks"], 2, "Allowed choices are webhook, worker"],
  [["--local", "--only", "worker"], 2, "'--local' cannot be used with option '--only <half>'"],
  [["--local", "--migrate"], 2, "'--local' cannot be used with option '--migrate'"],
  [["--prot", "1"], 2, "Did you mean --port?"],
  [["--port", "many"], 1, "PORT must be a whole number"],
])("serve %j is refused", async (args, exitCode, message) => {
  expect(await runCommand(["serve", ...args])).toMatchObject({ exitCode, stderr: expect.stringContaining(message) });
});
