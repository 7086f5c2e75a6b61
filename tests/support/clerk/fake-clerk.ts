import type { FreshUser } from "#core/clerk/clerk-api.ts";
import { parseUser } from "#core/clerk/parse-event.ts";
import { type UserFacts, userEvent } from "./build-event.ts";

/** Clerk's API without HTTP: what it answers, by Clerk id, and for whom it was asked. Whom it does not have is deleted. */
export function createFakeClerk() {
  const answers = new Map<string, FreshUser | Error>();
  const reads: string[] = [];
  return {
    answers,
    reads,
    set: (facts: UserFacts) => {
      const { data } = userEvent("user.updated", facts);
      answers.set(facts.id, { deleted: false, version: data.updated_at, user: parseUser(data) });
    },
    readUser: async (clerkId: string): Promise<FreshUser> => {
      reads.push(clerkId);
      const answer = answers.get(clerkId) ?? { deleted: true };
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

export type FakeClerk = ReturnType<typeof createFakeClerk>;
