import { pageLinks } from "./pages.ts";

export type Shortcut = { kind: "go"; path: string } | { kind: "search" } | { kind: "help" };
/** When g was pressed, in milliseconds; null when the last key was none. */
export type Prefix = number | null;

const patience = 1500;

/** What a key does after what was pressed before it. `at` in milliseconds. */
export function readKey(key: string, prefix: Prefix, at: number): { shortcut: Shortcut | null; prefix: Prefix } {
  if (prefix !== null && at - prefix <= patience) {
    const page = pageLinks.find((link) => link.key === key);
    return { shortcut: page ? { kind: "go", path: page.path } : null, prefix: null };
  }
  if (key === "/") return { shortcut: { kind: "search" }, prefix: null };
  if (key === "?") return { shortcut: { kind: "help" }, prefix: null };
  return { shortcut: null, prefix: key === "g" ? at : null };
}
