import { describe, expect, test } from "vitest";
import { createFakeClerk, pageOf } from "../../../../../tests/support/database/fake-runs-database.ts";
import type { ClerkApi } from "../clerk/clerk-api.ts";
import { parsePage, type UserPage } from "../clerk/parse-page.ts";
import { SyncError } from "../errors.ts";
import { cursorAfter, readNextPage } from "./read-next-page.ts";
import type { Run } from "./runs-database.ts";

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

const run = { cursor: { after: "user_gone", created_at: 5000 }, users_at_clerk: 10 };

test.each([
  ["refused", () => Promise.reject(new SyncError("clerk_rejected", "422"))],
  ["answered with nothing", async () => pageOf()],
])("a cursor that is %s because its user was deleted is followed by time", async (_, byCursor) => {
  const { clerk, asked } = clerkThat((after) =>
    after !== undefined && "id" in after ? byCursor() : Promise.resolve(pageOf("user_b")),
  );
  expect((await readNextPage(clerk, run))?.last?.id).toBe("user_b");
  expect(asked).toEqual([{ id: "user_gone" }, { createdAfter: 4999 }]);
});

test("the end is where nobody comes after the user of the cursor, by time neither", async () => {
  const { clerk } = clerkThat(async (after) => (after !== undefined && "id" in after ? pageOf() : pageOf("user_gone")));
  expect(await readNextPage(clerk, run)).toBeNull();
});

test("an instance without users is at its end at once", async () => {
  expect(await readNextPage(createFakeClerk([]), { cursor: {}, users_at_clerk: 0 })).toBeNull();
});

test("an outage is no end", async () => {
  const down = new SyncError("clerk_unavailable", "down", { retryable: true });
  const { clerk } = clerkThat(() => Promise.reject(down));
  await expect(readNextPage(clerk, run)).rejects.toBe(down);
});

describe("users of one sign-up time whom Clerk lists in another order each time", () => {
  /** Walks to the end; how many pages that took, and whom it saw. */
  async function walk(clerk: ClerkApi): Promise<{ pages: number; seen: Set<string> }> {
    const at = { cursor: {} as Run["cursor"], users_at_clerk: 3 };
    const seen = new Set<string>();
    for (let pages = 0; pages < 1000; pages++) {
      const page = await readNextPage(clerk, at);
      if (page === null) return { pages, seen };
      for (const { user } of page.users) seen.add(user.id);
      at.cursor = cursorAfter(page, at);
    }
    throw new Error("the walk goes round");
  }
  const pageAt = (id: string, created_at: number) => parsePage([{ id, created_at, updated_at: 1 }]);
  const roundAndRound = (last: UserPage, isIncluded: boolean) =>
    clerkThat(async (after) => {
      if (after === undefined) return pageAt("user_a", 5000);
      if ("id" in after) return pageAt(after.id === "user_a" ? "user_b" : "user_a", 5000);
      return after.createdAfter > 5000 || !isIncluded ? last : pageAt("user_a", 5000);
    }).clerk;

  test.each([true, false])("do not keep a walk from its end (the time included: %s)", async (isIncluded) => {
    const { pages, seen } = await walk(roundAndRound(pageOf(), isIncluded));
    expect([...seen]).toEqual(["user_a", "user_b"]);
    expect(pages).toBeLessThan(20);
  });

  test.each([true, false])("do not keep it from who came later (the time included: %s)", async (isIncluded) => {
    const later = { list: [pageAt("user_c", 6000)] };
    const { clerk } = clerkThat(async (after) => {
      if (after !== undefined && "id" in after && after.id === "user_c") return pageOf();
      if (after !== undefined && "createdAfter" in after && after.createdAfter === 5999) return pageAt("user_c", 6000);
      return roundAndRound(later.list[0] ?? pageOf(), isIncluded).listUsers(after);
    });
    expect((await walk(clerk)).seen).toContain("user_c");
  });

  test("end the walk where Clerk tells no times", async () => {
    const { clerk } = clerkThat(async (after) =>
      parsePage([{ id: after !== undefined && "id" in after && after.id === "user_a" ? "user_b" : "user_a" }]),
    );
    expect((await walk(clerk)).pages).toBeLessThan(20);
  });
});
