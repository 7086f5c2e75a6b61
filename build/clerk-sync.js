#!/usr/bin/env -S node --
// Without the "--" Node would take an --env-file after the script for its own, and end without a word of ours.
// The bin of the npm package (cli/clerk-sync.js is that of the repository, which runs the sources).
// Parsed by any Node, so that one that is too old can say so.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 12)) {
  const { main } = await import("./main.js");
  process.exitCode = await main(process.argv.slice(2));
} else {
  console.error(`clerk-sync needs Node 22.12 or newer (this is ${process.version}). Install Node 24 and run it again.`);
  process.exitCode = 1;
}
