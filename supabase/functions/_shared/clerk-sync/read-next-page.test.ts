import { expect, test } from "vitest";
import { createFakeClerk, pageOf } from "../../../../tests/support/fake-sync-runs.ts";
import type { ClerkApi } from "./clerk-api.ts";
import { SyncError } from "./errors.ts";
import { readNextPage } from "./read-next-page.ts";

type After = Parameters<ClerkApi["listUsers"]>[0];

/** Clerk's API that answers by what is asked for. */
function clerkThat(answer: (after: After) => ReturnType<ClerkApi["listUsers"]>) {
  const asked: After[] = [];
  const listUsers = (after: After) => {
    asked.push(after);
    return answer(after);
  };
  return { asked, clerk: createFakeClerk([], { listUsers }) };
}

const cursor = { after: "user_gone", created_at: 5000 };

test.each([
  ["refused", () => Promise.reject(new SyncError("clerk_rejected", "422"))],
  ["answered with nothing", async () => pageOf()],
])("a cursor that is %s because its user was deleted is followed by time", async (_, byCursor) => {
  const { clerk, asked } = clerkThat((after) =>
    after !== undefined && "id" in after ? byCursor() : Promise.resolve(pageOf("user_b")),
  );
  expect((await readNextPage(clerk, cursor))?.last?.id).toBe("user_b");
  expect(asked).toEqual([{ id: "user_gone" }, { createdAfter: 4999 }]);
});

test("the end is where nobody comes after the user of the cursor, by time neither", async () => {
  const { clerk } = clerkThat(async (after) => (after !== undefined && "id" in after ? pageOf() : pageOf("user_gone")));
  expect(await readNextPage(clerk, cursor)).toBeNull();
});

test("an instance without users is at its end at once", async () => {
  expect(await readNextPage(createFakeClerk([]), {})).toBeNull();
});

test("an outage is no end", async () => {
  const down = new SyncError("clerk_unavailable", "down", { retryable: true });
  const { clerk } = clerkThat(() => Promise.reject(down));
  await expect(readNextPage(clerk, cursor)).rejects.toBe(down);
});
