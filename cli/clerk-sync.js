#!/usr/bin/env -S node --
// Without the "--" Node would take an --env-file after the script for its own, and end without a word of ours.
// Starts the command line on a Node that runs TypeScript: this one, or else the `node` package beside us.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const mainFile = new URL("./main.ts", import.meta.url);
const ownNode = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));
const forwardedSignals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

function runsTypeScript() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNewEnough = major > 22 || (major === 22 && minor >= 18);
  return isNewEnough && Boolean(process.features.typescript);
}

async function runHere() {
  const { main } = await import(mainFile.href);
  process.exitCode = await main(process.argv.slice(2));
}

function runOnOwnNode() {
  // Without the "--" Node would take an --env-file after the script for its own.
  const args = ["--", fileURLToPath(mainFile), ...process.argv.slice(2)];
  const child = spawn(ownNode, args, { stdio: "inherit" });
  for (const signal of forwardedSignals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`clerk-sync could not start ${ownNode}: ${error.message}`));
  child.on("exit", (code, signal) => {
    // A shell reports a child that died of a signal as 128 plus its number.
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
    for (const name of forwardedSignals) process.removeAllListeners(name);
  });
}

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

if (runsTypeScript()) {
  await runHere();
} else if (existsSync(ownNode)) {
  runOnOwnNode();
} else {
  fail(
    `clerk-sync needs Node 24 (this is ${process.version}). Run "npm install" here, which brings it, or install Node 24.`,
  );
}
