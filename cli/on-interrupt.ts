import process from "node:process";

const signals = ["SIGINT", "SIGTERM"] as const;
/** A terminal and the starter in clerk-sync.js both send Ctrl-C: within this time it is the same one. */
const sameInterruptMilliseconds = 1000;
const interruptedExitCode = 130;

/**
 * Calls the listener once when the process is told to end, so that a command can clean up. Told again, it ends at
 * once. The answer takes the listener away.
 */
export function onInterrupt(listener: () => void): () => void {
  let toldAt: number | undefined;
  const handle = () => {
    if (toldAt === undefined) {
      toldAt = Date.now();
      listener();
    } else if (Date.now() - toldAt > sameInterruptMilliseconds) {
      process.exit(interruptedExitCode);
    }
  };
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}
