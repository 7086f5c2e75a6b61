import { expect, it } from "vitest";
import { runCommand } from "../../tests/support/run-command.ts";

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
