import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { CommandIo } from "../../../cli/command-io.ts";
import { main } from "../../../cli/main.ts";
import { createTestFolder } from "./test-folder.ts";

type Answers = readonly (boolean | string)[];
type Ended = { exitCode: number; stdout: string; stderr: string; asked: string[]; slept: number };

/** A project, a small package to install into it, and `clerk-sync init`; the folders are gone after the test. */
export type InitProject = {
  project: string;
  source: string;
  write: (file: string, text: string) => Promise<void>;
  writeSource: (file: string, text: string) => Promise<void>;
  read: (file: string) => Promise<string>;
  /** Runs the command; `answers` are what the user says, one after the other. */
  init: (args: readonly string[], given?: { answers?: Answers; folder?: string }) => Promise<Ended>;
};

const sources: Readonly<Record<string, string>> = {
  "package.json": '{"name":"clerk-supabase-sync","version":"1.2.3"}',
  "supabase/config.toml": "[functions.hook]\nverify_jwt = false\n",
  "supabase/functions/hook/index.ts": "// hook\n",
  "supabase/functions/hook/index.test.ts": "// not installed\n",
  "supabase/functions/hook/.env": "NOT=installed\n",
  "supabase/functions/_shared/clerk-sync/core.ts": "// core\n",
  "supabase/migrations/20261124000001_schema.sql": "select 1;\n",
  "supabase/tests/01_rights_test.sql": "select 2;\n",
  "templates/sql/drop.sql": "drop all;\n",
};

export async function createInitProject(): Promise<InitProject> {
  const folder = await createTestFolder();
  onTestFinished(folder.remove);
  const project = path.join(await realpath(folder.path), "project");
  const source = path.join(folder.path, "package");
  await writeInto(project, "supabase/config.toml", 'project_id = "own"\n');
  for (const [file, text] of Object.entries(sources)) await writeInto(source, file, text);
  return {
    project,
    source,
    write: (file, text) => writeInto(project, file, text),
    writeSource: (file, text) => writeInto(source, file, text),
    read: (file) => readFile(path.join(project, file), "utf8"),
    init: (args, given = {}) => runInit(args, { folder: project, ...given }, source),
  };
}

async function runInit(
  args: readonly string[],
  { answers, folder }: { answers?: Answers; folder: string },
  source: string,
): Promise<Ended> {
  const [stdout, stderr, asked]: [string[], string[], string[]] = [[], [], []];
  let slept = 0;
  const exitCode = await main(["init", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    ...(answers === undefined ? { confirm: null, choose: null } : answerWith(answers, asked)),
    findPackageRoot: () => source,
    clock: {
      now: () => Date.UTC(2027, 0, 1),
      sleep: async (milliseconds) => {
        slept += milliseconds;
      },
    },
    folder,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), asked, slept };
}

/** Answers each question with the next one; where there is none left with no, or with Ctrl-C. */
function answerWith(answers: Answers, asked: string[]): Pick<CommandIo, "confirm" | "choose"> {
  const answer = (question: string) => answers[asked.push(question) - 1];
  return {
    confirm: async (question) => answer(question) === true,
    choose: async (question, choices) => {
      const given = answer(question);
      return choices.find(({ value }) => value === given)?.value ?? null;
    },
  };
}

async function writeInto(root: string, file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.join(root, file)), { recursive: true });
  await writeFile(path.join(root, file), text);
}
