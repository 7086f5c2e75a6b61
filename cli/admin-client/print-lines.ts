import type { CommandIo } from "../command-io.ts";

/** Everything a terminal may take for a command, and what turns the direction of writing; a name may hold it. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** A text in which such characters stand as a sign of one column. */
export function showText(text: string): string {
  return text.replace(unprintable, "\ufffd");
}

/** Prints lines that hold what Clerk, its users and other services wrote. */
export function printLines(lines: readonly string[], io: Pick<CommandIo, "print">): void {
  for (const line of lines) io.print(showText(line));
}
