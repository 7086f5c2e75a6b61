import { expect, test } from "vitest";
import type { AuditEntry } from "#core/admin-overview-contract.ts";
import { whoDid } from "./who-did.ts";

const retried = entry("Ada", "retry_jobs");
const history = { at: "2026-11-25T06:50:48.731Z", status: "PENDING", attempt: 0 } as const;

function entry(source: string, code: string): AuditEntry {
  const [at, last_at] = ["2026-11-25T06:50:00Z", "2026-11-25T06:50:48.729Z"];
  return { kind: "operator_action", at, last_at, source, code, subject: "job", count: 1, detail: {} };
}

test("a retry of this job bears the name of who did it", () => {
  expect(whoDid(history, [entry("Bob", "reveal_job"), entry("Eve", "cancel_jobs"), retried])).toEqual(["Ada"]);
});

test("a cancelled job bears the name of who cancelled it", () => {
  expect(whoDid({ ...history, status: "CANCELLED" }, [retried, entry("Eve", "cancel_jobs")])).toEqual(["Eve"]);
});

test("two who did the same at that time are both named, each once", () => {
  expect(whoDid(history, [retried, entry("Bob", "retry_jobs"), retried])).toEqual(["Ada", "Bob"]);
});

test("what happened before or after the audit's entry is nobody's", () => {
  expect(whoDid({ ...history, at: "2026-11-25T06:49:59Z" }, [retried])).toEqual([]);
  expect(whoDid({ ...history, at: "2026-11-25T06:50:50Z" }, [retried])).toEqual([]);
});

test("what the sync does by itself is nobody's", () => {
  expect(whoDid({ ...history, status: "COMPLETED" }, [retried])).toEqual([]);
});
