import { afterEach, expect, test, vi } from "vitest";
import { readConfig } from "../config/config.ts";
import { createReadUser } from "./read-user.ts";

afterEach(() => vi.unstubAllGlobals());

/** Reads a user from a Clerk's API that answers so, by path. */
function read(answers: Readonly<Record<string, () => Response>>) {
  vi.stubGlobal("fetch", async (url: string) => answers[new URL(url).pathname]?.() ?? Response.error());
  const readUser = createReadUser(readConfig({ CLERK_SECRET_KEY: "sk_test_x" }), async () => ({
    granted: 10,
    wait_milliseconds: 0,
  }));
  return readUser?.("user_1");
}

const broken = () => Response.json({ errors: [{ code: "internal_error" }] }, { status: 500 });
const count = () => Response.json({ total_count: 7 });

test("a user for whom Clerk's API fails is at fault alone while it answers without a user", async () => {
  await expect(read({ "/v1/users/user_1": broken, "/v1/users/count": count })).rejects.toMatchObject({
    code: "clerk_user_failed",
    retryable: true,
  });
});

test("Clerk's API is at fault when it does not answer without a user either", async () => {
  await expect(read({ "/v1/users/user_1": broken, "/v1/users/count": broken })).rejects.toMatchObject({
    code: "clerk_unavailable",
  });
});
