import { expect, test } from "vitest";
import type { AuditEntry } from "#core/admin/contract/overview.ts";
import { describeEntry, newestFirst } from "./describe-entry.ts";

test("an entry says what an operator did, or else of which kind it is", () => {
  const told = [
    describeEntry({ kind: "operator_action", code: "retry_jobs" }),
    describeEntry({ kind: "operator_action", code: "toString" }),
    describeEntry({ kind: "burst", code: "retry_jobs" }),
  ];
  expect(told).toEqual(["retried jobs", "done by an operator", "unusually many events"]);
});

test("what happened last stands first, also within one minute", () => {
  const entry = (last_at: string, source: string) => ({ last_at, source }) as AuditEntry;
  const entries = [
    entry("2026-11-25T10:00:10Z", "first"),
    entry("2026-11-25T10:00:20.5+00:00", "second"),
    entry("2026-11-25T09:59:00Z", "before"),
  ];
  expect(newestFirst(entries).map(({ source }) => source)).toEqual(["second", "first", "before"]);
});
