import { makeUsers } from "../../tests/support/clerk-stand-in/make-users.ts";
import { startClerkStandIn } from "../../tests/support/clerk-stand-in/start-clerk-stand-in.ts";
import { answerQuestions } from "./program.ts";
import type { ClerkApi } from "./start-clerk.ts";

// The stand-in of Clerk's API as a process of its own, with the rate limit of a production instance.
answerQuestions({
  start: async ({ users }: { users: number }) => {
    const clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in", rate: { requests: 1000, seconds: 10 } });
    clerk.users.fill(makeUsers(users));
    return { url: clerk.url, secretKey: clerk.secretKey };
  },
} satisfies ClerkApi);
