import { setTimeout as delay } from "node:timers/promises";

/** Asks again and again until the answer is true; fails when the time is up, naming what was waited for. */
export async function waitFor(what: string, check: () => Promise<boolean>, seconds = 300): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await delay(20);
  }
}
