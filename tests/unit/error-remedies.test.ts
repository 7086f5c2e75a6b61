import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { explainError } from "#core/admin/job-words.ts";

const codes = codesOfJobs();

test("docs/errors.md was read", () => {
  expect(codes).toContain("lease_expired");
  expect(codes).toContain("clerk_rejected");
});

test.each([...codes, "database_rejected", "database_unavailable"])("the admin API says what to do about %s", (code) => {
  expect(explainError(`${code}: x`).remedy).not.toContain("docs/errors.md");
});

/** What docs/errors.md says a job may carry: the headings of that part, and the codes its first paragraph names. */
function codesOfJobs(): string[] {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const [, part = ""] = /^## On a job$(.*?)^## /ms.exec(page) ?? [];
  const headings = [...part.matchAll(/^### `(\w+)`$/gm)];
  const named = [...(part.trim().split("\n\n")[0] ?? "").matchAll(/`(\w+)` \(/g)];
  return [...named, ...headings].map(([, code = ""]) => code);
}
