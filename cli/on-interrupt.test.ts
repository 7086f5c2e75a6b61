import { expect, test, vi } from "vitest";
import { onInterrupt } from "./on-interrupt.ts";

test("the listener is called once, and not for the same Ctrl-C that came twice", () => {
  const before = new Set(process.listeners("SIGINT"));
  const listener = vi.fn();
  const release = onInterrupt(listener);
  const [added] = process.listeners("SIGINT").filter((known) => !before.has(known));
  added?.("SIGINT");
  added?.("SIGINT");
  expect(listener).toHaveBeenCalledTimes(1);
  release();
  expect(process.listeners("SIGINT").filter((known) => !before.has(known))).toEqual([]);
  expect(process.listeners("SIGTERM")).not.toContain(added);
});
