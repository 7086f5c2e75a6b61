import { expect, it } from "vitest";
import { linkSubject } from "./link-subject.ts";

const id = "0b7a3a0e-1111-4222-8333-444455556666";

it.each([
  ["user_2abc", "/users/user_2abc"],
  ["user:user_2abc", "/users/user_2abc"],
  [id, `/jobs/${id}`],
  [`job:${id}`, `/jobs/${id}`],
])("%s leads to %s", (subject, path) => {
  expect(linkSubject(subject)).toBe(path);
});

it.each(["", "apply", "ins_2abc", "user_2/../jobs", "javascript:alert(1)"])("%j leads nowhere", (subject) => {
  expect(linkSubject(subject)).toBeNull();
});
