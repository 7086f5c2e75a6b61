import { expect, test } from "vitest";
import { showText } from "./print-lines.ts";

test.each([
  ["a title of the window", "A\u001b]0;evil\u0007da", "A�]0;evil�da"],
  ["a command of one character", "A\u009b2Jda", "A�2Jda"],
  ["a second line", "Ada\n✓ all is well\r", "Ada�✓ all is well�"],
  ["writing from the right", "Ada \u202emoc.elpmaxe", "Ada �moc.elpmaxe"],
])("%s reaches no terminal", (_, text, shown) => {
  expect(showText(text)).toBe(shown);
});

test("names of every script stay as they are, with the joiners that belong to them", () => {
  const names = "Zoë Müller, Ада, 愛, عدى, रक्\u200dषा, می\u200cنا, 👩\u200d🚀";
  expect(showText(names)).toBe(names);
});
