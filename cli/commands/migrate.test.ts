import { expect, it } from "vitest";
import { runCommand } from "../../tests/support/processes/run-command.ts";

it("a database that is not reached is named by where its URL was given, without a word on TLS", async () => {
  const url = "postgres://u:secret@127.0.0.1:1/d";
  const given = [
    { args: ["--database-url", url], environment: {}, name: "--database-url" },
    { args: [], environment: { DATABASE_URL: url }, name: "DATABASE_URL" },
  ];
  for (const { args, environment, name } of given) {
    const { stderr } = await runCommand(["migrate", ...args], { environment });
    expect(stderr).toMatch(new RegExp(`database_unavailable: ${name} cannot be reached: .*is the database running`));
    expect(stderr).not.toMatch(/sslmode|secret/);
  }
});

it.each([
  [[], {}, "usage_invalid: Set DATABASE_URL, or pass --database-url"],
  [["--database-url", "mysql://u:secret@h/d"], {}, "usage_invalid: --database-url must be a postgres:// URL."],
  [[], { DATABASE_URL: "secret" }, "usage_invalid: DATABASE_URL must be a postgres:// URL."],
  [["--dryrun"], {}, "Did you mean --dry-run?"],
])("migrate %j with %j is a usage error that shows no value", async (args, env, message) => {
  const { exitCode, stderr } = await runCommand(["migrate", ...args], { environment: env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
  expect(stderr).not.toContain("secret");
});
