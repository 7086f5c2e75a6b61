import { setTimeout as delay } from "node:timers/promises";

/** Asks again and again until the answer is true; fails after a minute, naming what was waited for. */
export async function waitFor(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited a minute in vain for ${what}`);
    await delay(20);
  }
}
