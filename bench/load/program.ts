import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** What a program can be asked; the argument and the answer travel as JSON. */
export type Api = Record<string, (argument: never) => Promise<unknown>>;

/** A program of the benchmark's in a process of its own. */
export type Program<Asked extends Api> = {
  ask: <Name extends keyof Asked & string>(
    name: Name,
    argument: Parameters<Asked[Name]>[0],
  ) => Promise<Awaited<ReturnType<Asked[Name]>>>;
  stop: () => Promise<void>;
};

type Answer = { id: number; value?: unknown; error?: string };
type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void };

const stopMilliseconds = 10_000;

/** Starts a program that calls answerQuestions. It ends with us, however we end. */
export function startProgram<Asked extends Api>(
  file: string | URL,
  args: readonly string[] = [],
  { env = {}, execArgv = [], cwd }: { env?: Record<string, string>; execArgv?: string[]; cwd?: string } = {},
): Program<Asked> {
  const child = fork(file, args, {
    env: { PATH: process.env["PATH"], ...env },
    execArgv: ["--disable-warning=ExperimentalWarning", ...execArgv],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const errors: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const waiting = new Map<number, Waiting>();
  child.on("message", (answer: Answer) => settle(waiting, answer));
  const closed = once(child, "close").then(() => {
    const reason = errors.join("").slice(-2000);
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended: ${reason}`));
  });
  let last = 0;
  return {
    ask: (name, argument) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve: resolve as Waiting["resolve"], reject });
        child.send({ id: last, name, argument }, (error) => error && reject(error));
      }),
    stop: () => stop(child, closed),
  };
}

function settle(waiting: Map<number, Waiting>, { id, value, error }: Answer): void {
  const asked = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) asked?.resolve(value);
  else asked?.reject(new Error(error));
}

async function stop(child: ChildProcess, closed: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopMilliseconds);
  await closed;
  clearTimeout(timer);
}

/** The other end: answers what the benchmark asks, and ends the process when the benchmark is gone. */
export function answerQuestions(api: Api): void {
  const answers = new Map(Object.entries(api));
  process.on("message", ({ id, name, argument }: { id: number; name: string; argument: never }) => {
    const answer = answers.get(name) ?? (() => Promise.reject(new RangeError(`nothing answers ${name}`)));
    void answer(argument).then(
      (value) => process.send?.({ id, value }),
      (error: unknown) => process.send?.({ id, error: String(error instanceof Error ? error.stack : error) }),
    );
  });
  process.once("disconnect", () => process.exit(0));
}
