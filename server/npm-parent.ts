import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

type ProcessFacts = { parent: number; title: string; isZombie: boolean };

const run = promisify(execFile);
/** npm, its shell, and the command line's own Node between them and us. */
const mostAncestors = 4;
const pollMilliseconds = 500;

/**
 * Resolves when npm started this process and has ended, or the shell between them has. `npm start` passes SIGTERM and
 * SIGINT to its shell only, which dies of them and leaves the server and its PostgreSQL behind. Never resolves for a
 * process that npm did not start.
 */
export async function npmGone(): Promise<void> {
  const parent = process.ppid;
  const ancestors = await findAncestors(parent);
  if (ancestors === null) return new Promise(() => undefined);
  return new Promise((resolve) => {
    const timer = setInterval(async () => {
      const isGone = process.ppid !== parent || (await Promise.all(ancestors.map(hasEnded))).includes(true);
      if (!isGone) return;
      clearInterval(timer);
      resolve();
    }, pollMilliseconds);
    timer.unref();
  });
}

/** The ids from our parent up to npm; null when npm is none of them. */
async function findAncestors(parent: number): Promise<number[] | null> {
  const ids: number[] = [];
  for (let id = parent; ids.length < mostAncestors && id > 0; ) {
    const facts = await readProcess(id);
    if (facts === null) return null;
    ids.push(id);
    if (/^npm\b/.test(facts.title)) return ids;
    id = facts.parent;
  }
  return null;
}

/** One that its parent has not waited for yet has ended, too. */
async function hasEnded(id: number): Promise<boolean> {
  const facts = await readProcess(id);
  return facts === null || facts.isZombie;
}

/** What the system tells of a process; null when there is none of this id, or the system tells nothing. */
async function readProcess(id: number): Promise<ProcessFacts | null> {
  if (process.platform === "win32") return null;
  const pattern = process.platform === "linux" ? /^\d+ \((.*)\) (\S) (\d+)/s : /^\s*(\S)\S*\s+(\d+)\s+(.*)$/m;
  const [, ...found] = (await readText(id)).match(pattern) ?? [];
  const [title, state, parent] = process.platform === "linux" ? found : [found[2], found[0], found[1]];
  if (title === undefined || parent === undefined) return null;
  return { title, parent: Number(parent), isZombie: state === "Z" };
}

/** Linux: proc_pid_stat(5), a number, the title in brackets, the state, the parent. Elsewhere ps in another order. */
async function readText(id: number): Promise<string> {
  if (process.platform === "linux") return readFile(`/proc/${id}/stat`, "utf8").catch(() => "");
  return run("ps", ["-o", "state=,ppid=,command=", "-p", String(id)]).then(
    ({ stdout }) => stdout,
    () => "",
  );
}
