import path from "node:path";
import type { FindModule } from "./evaluate-drizzle.ts";
import { readProjectFile } from "./find-files.ts";
import { type Module, parseModule } from "./parse-module.ts";

/** Modules of a project, and those that they import, as far as they are files of the project. */
export async function loadModules(
  folder: string,
  files: readonly string[],
  known: ReadonlySet<string>,
): Promise<{ modules: ReadonlyMap<string, Module>; failed: string[]; findModule: FindModule }> {
  const modules = new Map<string, Module>();
  const failed: string[] = [];
  const open = [...files];
  for (let file = open.shift(); file !== undefined; file = open.shift()) {
    if (modules.has(file) || failed.includes(file)) continue;
    const module = parseModule(file, await readProjectFile(folder, file));
    if (module === null) {
      failed.push(file);
      continue;
    }
    modules.set(file, module);
    const imported = [
      ...[...module.imports.values()].map(({ from }) => from),
      ...module.passedOn.map(({ from }) => from),
    ];
    open.push(...imported.flatMap((from) => resolveImport(module.file, from, known) ?? []));
  }
  const findModule: FindModule = (from, imported) => {
    const file = resolveImport(from.file, imported, known);
    return file === null ? null : (modules.get(file) ?? null);
  };
  return { modules, failed, findModule };
}

/** `./users`, `./users.js` for users.ts, and `@/db/users` for the file whose path ends so; null: it is of a package. */
function resolveImport(from: string, imported: string, known: ReadonlySet<string>): string | null {
  if (imported.startsWith(".")) {
    return candidates(path.posix.join(path.posix.dirname(from), imported)).find((file) => known.has(file)) ?? null;
  }
  const [, rest] = /^(?:[@~#]\/|[@~#][\w-]+\/|src\/)(.+)$/.exec(imported) ?? [];
  if (rest === undefined) return null;
  const endings = candidates(rest);
  const found = [...known].filter((file) => endings.some((ending) => file === ending || file.endsWith(`/${ending}`)));
  return found.sort((one, other) => one.length - other.length)[0] ?? null;
}

const extensions = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"];

function candidates(file: string): string[] {
  const bare = file.replace(/\.[mc]?[jt]s$/, "");
  return [file, ...extensions.map((each) => bare + each), ...extensions.map((each) => `${file}/index${each}`)];
}
