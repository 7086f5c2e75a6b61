import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { main } from "./main.ts";

async function run(...args: string[]) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await main(args, {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    folder: tmpdir(),
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
}

test.each(["--version", "-v"])("%s is that of package.json", async (option) => {
  expect(await run(option)).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
});

test.each([[["--help"]], [["simulate", "--help"]]])("%j shows an example", async (args) => {
  expect(await run(...args)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("$ clerk-sync simulate") });
});

test.each(["doctor", "init", "backfill", "reconcile", "verify", "serve", "migrate"])(
  "%s --help shows an example",
  async (command) => {
    expect(await run(command, "--help")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`clerk-sync ${command}`),
    });
  },
);

test.each([
  [["simulat"], "Did you mean simulate?"],
  [["simulate", "--cuont", "3"], "Did you mean --count?"],
  [["init", "--projekt"], "(clerk-sync init --help shows what there is)"],
  [["simulate", "--count", "many"], "error usage_invalid: --count must be a whole number"],
  [["reconcile", "--max-unknown", "101"], "error usage_invalid: --max-unknown must be a whole number from 1 to 100."],
  [["simulate"], "error usage_invalid: No installation is named, and no local server was started in this folder."],
])("%j is a usage error: %s", async (args, message) => {
  expect(await run(...args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
});

test("an expected error is one line without a stack", async () => {
  const { exitCode, stderr } = await run("simulate", "--url", "http://127.0.0.1:9", "--secret", "whsec_%");
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^error config_invalid: .+$/);
});

test("an unforeseen error keeps its stack", async () => {
  const notes: string[] = [];
  const drawSeed = () => {
    throw new TypeError("a bug");
  };
  const args = ["simulate", "--url", "http://127.0.0.1:9", "--secret", "whsec_AAAA"];
  expect(await main(args, { note: (line) => notes.push(line), drawSeed, folder: tmpdir() })).toBe(1);
  expect(notes.join()).toMatch(/error unexpected: TypeError: a bug\n\s+at /);
});

test.each([
  [["init", "--json", "--key", "id", "--project", "/nowhere/at/all"], 1, "project_not_found"],
  [["generate", "--json", "--print-sql", "--config", "none.json"], 1, "config_invalid"],
  [["init", "--json", "--migrations"], 2, "usage_invalid"],
  [["init", "--json", "--projekt"], 2, "usage_invalid"],
  [["status", "--json"], 2, "usage_invalid"],
])("with --json the error of %j is the one value on standard output", async (args, exitCode, code) => {
  const { stdout, stderr, ...rest } = await run(...args);
  expect(rest.exitCode).toBe(exitCode);
  expect(JSON.parse(stdout)).toEqual({ error: { code, message: expect.stringMatching(/\S/) } });
  expect(stderr).not.toMatch(/^error [a-z_]+: /);
});
