/** What one check found, and what to do about it when it is not well. */
export type Finding =
  | { check: string; state: "ok"; what: string }
  | { check: string; state: "warning" | "failed" | "skipped"; what: string; remedy: string };

const marks: Readonly<Record<Finding["state"], string>> = { ok: "✓", warning: "!", failed: "✗", skipped: "–" };

/** One line a finding, and its remedy below. */
export function formatFindings(findings: readonly Finding[]): string[] {
  return findings.flatMap((finding) => {
    const line = `${marks[finding.state]} ${finding.check}: ${finding.what}`;
    return finding.state === "ok" ? [line] : [line, `    ${finding.remedy}`];
  });
}

/** Failed checks fail the run, so that a script can ask; warnings do not. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some((finding) => finding.state === "failed") ? 1 : 0;
}
