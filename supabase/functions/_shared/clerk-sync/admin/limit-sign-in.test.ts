import { expect, it } from "vitest";
import type { ActionNote } from "./database.ts";
import { createSignInLimit } from "./limit-sign-in.ts";

function createLimit() {
  const clock = { now: 0 };
  const notes: ActionNote[] = [];
  const database = { noteAction: async (note: ActionNote) => void notes.push(note) };
  return { clock, notes, refuse: createSignInLimit({ database, now: () => clock.now }) };
}

it("a failed attempt goes into the audit, by its source and reason", async () => {
  const { notes, refuse } = createLimit();
  await refuse("203.0.113.7", "admin_token_invalid");
  expect(notes).toEqual([{ actor: "203.0.113.7", code: "sign_in_refused", subject: "admin_token_invalid" }]);
});

it("after ten a minute a source is told to wait, others are not, and it may again later", async () => {
  const { clock, notes, refuse } = createLimit();
  for (let attempt = 0; attempt < 10; attempt++) await refuse("a", "caller_unauthorized");
  await expect(refuse("a", "caller_unauthorized")).rejects.toMatchObject({
    code: "rate_limited",
    retryAfterSeconds: 60,
  });
  expect(notes).toHaveLength(10);
  await refuse("b", "caller_unauthorized");
  clock.now = 60_000;
  await refuse("a", "caller_unauthorized");
});

it("however many sources there are, the audit gets thirty entries a minute", async () => {
  const { notes, refuse } = createLimit();
  for (let place = 0; place < 100; place++) await refuse(`source ${place}`, "caller_unauthorized");
  expect(notes).toHaveLength(30);
});

it("an audit that cannot be written is no reason to answer otherwise", async () => {
  const noteAction = () => Promise.reject(new Error("down"));
  const refuse = createSignInLimit({ database: { noteAction }, now: () => 0 });
  await expect(refuse("a", "caller_unauthorized")).resolves.toBeUndefined();
});
