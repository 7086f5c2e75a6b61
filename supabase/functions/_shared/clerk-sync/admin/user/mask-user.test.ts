import { expect, test } from "vitest";
import type { UserRecord } from "../contract/users.ts";
import { maskRecord } from "./mask-user.ts";

const record: UserRecord = {
  clerk_id: "user_1",
  table: "public.profiles",
  columns: [],
  row: null,
  state: null,
  values: null,
  open_jobs: 0,
  dead_jobs: 0,
};
const mask = (source: string, value: unknown) =>
  maskRecord({ ...record, columns: [{ name: "column", source, value, rule: null }] }).columns[0]?.value;

test.each([
  ["email", "ada@example.com", "a***@e***.com"],
  ["phone", "+4915112345678", "+***"],
  ["first_name", "Ada", "A***"],
  ["username", "ada", "a***"],
  ["image_url", "https://img.clerk.com/a", "h***"],
  ["external_id", "customer_7", "c***"],
  ["public_metadata.plan", "pro", "p***"],
  ["public_metadata", { plan: "pro", id: "a1", seats: 3 }, { plan: "p***", id: "a***", seats: 3 }],
  ["unsafe_metadata.theme", "dark", "d***"],
])("a value of %s is personal", (source, value, masked) => {
  expect(mask(source, value)).toEqual(masked);
});

test.each([
  ["public_metadata.role", "admin"],
  ["uuid", "0191d7c5-0000-7000-8000-000000000001"],
  ["locale", "de"],
  ["banned", true],
  ["created_at", "2026-11-25T12:00:00+00:00"],
  ["email", null],
])("a value of %s is shown as it is", (source, value) => {
  expect(mask(source, value)).toBe(value);
});
