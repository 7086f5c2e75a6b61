import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const core = "supabase/functions/_shared/clerk-sync";
/** Folders whose files keep their doors small. */
const kept = [core, "server", "cli", "local"];
/** Folders whose files import from those. */
const readers = [
  "supabase/functions",
  "server",
  "cli",
  "local",
  "mapping",
  "admin/src",
  "tests",
  "bench",
  "build",
  "docs",
];
const isSource = (name: string) => /\.(ts|tsx|js)$/.test(name) && !name.includes("node_modules");

async function readSources(): Promise<Map<string, string>> {
  const names = await Promise.all(
    readers.map(async (folder) => {
      const found = await readdir(path.join(root, folder), { recursive: true });
      return found.map((name) => path.posix.join(folder, name)).filter(isSource);
    }),
  );
  const read = async (name: string) => [name, await readFile(path.join(root, name), "utf8")] as const;
  return new Map(await Promise.all(names.flat().map(read)));
}

/** Every `file name` that a file imports or exports again; `file *` where it takes the whole file. */
function importsOf(name: string, text: string): string[] {
  const resolve = (from: string) =>
    from.startsWith("#core/") ? `${core}/${from.slice(6)}` : path.posix.join(path.posix.dirname(name), from);
  const named = text.matchAll(/(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s+from\s+"((?:\.|#core\/)[^"]+)"/g);
  const whole = text.matchAll(/(?:(?:import|export)\s+\*[^"]*from\s+|import\()"((?:\.|#core\/)[^"]+)"/g);
  const nameOf = (part: string) =>
    part
      .trim()
      .replace(/^type /, "")
      .replace(/ as .*/s, "");
  return [
    ...[...named].flatMap(([, parts = "", from = ""]) =>
      parts.split(",").map((part) => `${resolve(from)} ${nameOf(part)}`),
    ),
    ...[...whole].map(([, from = ""]) => `${resolve(from)} *`),
  ];
}

function exportsOf(text: string): string[] {
  return [...text.matchAll(/^export (?:async )?(?:function\*?|const|type|class) (\w+)/gm)].map(([, name = ""]) => name);
}

it("nothing is exported that no other file imports", async () => {
  const sources = await readSources();
  const imported = new Set([...sources].flatMap(([name, text]) => importsOf(name, text)));
  const exported = [...sources]
    .filter(([name]) => kept.some((folder) => name.startsWith(`${folder}/`)) && !name.endsWith(".test.ts"))
    .flatMap(([name, text]) => exportsOf(text).map((one) => ({ file: name, one })));
  expect(exported.length).toBeGreaterThan(400);
  const unused = exported.filter(({ file, one }) => !imported.has(`${file} ${one}`) && !imported.has(`${file} *`));
  expect(unused.map(({ file, one }) => `${file} ${one}`)).toEqual([]);
});
