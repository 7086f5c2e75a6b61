import { expect, it } from "vitest";
import { runCommand } from "../../tests/support/processes/run-command.ts";

it("where nothing answers it asks whether the server runs, and tells of no canary's end", async () => {
  const { exitCode, stdout } = await runCommand([
    "verify",
    ...["--url", "http://127.0.0.1:9", "--secret", "whsec_AAAA", "--secret-key", "sb_secret_x"],
  ]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain("Is the server running, and is the URL right?");
  expect(stdout).not.toMatch(/cleaned up|Times:/);
});

it("without a secret key it says what it takes", async () => {
  const { exitCode, stdout, stderr } = await runCommand([
    "verify",
    "--url",
    "http://127.0.0.1:9",
    "--secret",
    "whsec_AAAA",
  ]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("SUPABASE_SECRET_KEY");
  expect(stdout).toBe("");
});
