import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const bin = fileURLToPath(new URL("./clerk-sync.js", import.meta.url));
/** Makes this Node behave as one that is too old; an old one needs nothing. */
const asOldNode = process.features.typescript ? ["--no-experimental-strip-types"] : [];

function start(nodeOptions: string[], file: string, args: string[]) {
  const child = spawn(process.execPath, [...nodeOptions, file, ...args], { cwd: tmpdir() });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    output.stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  return { child, output, closed: once(child, "close") };
}

async function run(nodeOptions: string[], file: string, ...args: string[]) {
  const { child, output, closed } = start(nodeOptions, file, args);
  await closed;
  return { exitCode: child.exitCode, ...output };
}

test.each([
  ["this Node", []],
  ["a Node that cannot run TypeScript", asOldNode],
])("the bin runs on %s and passes on output and exit code", async (_, nodeOptions) => {
  expect(await run(nodeOptions, bin, "--version")).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^\d+\./),
  });
  expect(await run(nodeOptions, bin, "simulat")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("Did you mean"),
  });
});

test("on the other Node an --env-file that is not there is ours to explain, not Node's", async () => {
  const done = await run([...asOldNode, "--"], bin, "doctor", "--env-file", "nowhere.env");
  expect(done).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("--env-file nowhere.env cannot be read"),
  });
});

test("on an old Node without the node package beside it, the bin says what is needed", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "clerk-sync-"));
  onTestFinished(async () => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, "cli"));
  await copyFile(bin, path.join(folder, "cli", "clerk-sync.js"));
  await writeFile(path.join(folder, "package.json"), '{"type":"module"}');
  const done = await run(asOldNode, path.join(folder, "cli", "clerk-sync.js"), "--version");
  expect(done).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("clerk-sync needs Node 24") });
});

test("a signal to the bin ends the command on the other Node", async () => {
  const silent = createServer(); // takes requests and never answers
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close().closeAllConnections());
  const address = silent.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;

  const { child, closed } = start(asOldNode, bin, ["simulate", "--url", url, "--secret", "whsec_AAAA"]);
  const [request] = await once(silent, "request");
  child.kill("SIGTERM");
  await Promise.all([closed, once(request.socket, "close")]);
  expect(child.exitCode).toBe(128 + 15);
});

test("run as a program, an --env-file that is not there is ours to explain, not Node's", async () => {
  const child = spawn(bin, ["status", "--env-file", "nowhere.env"], { cwd: tmpdir() });
  const errors: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const [code] = await once(child, "close");
  expect([code, errors.join("")]).toEqual([2, expect.stringContaining("--env-file nowhere.env cannot be read")]);
});
