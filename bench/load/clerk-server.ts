import { startClerkStandIn } from "../../local/clerk/start-clerk-stand-in.ts";
import { makeUsers } from "../../tests/support/clerk/make-users.ts";
import { answerQuestions, type Program, startProgram } from "./program.ts";

type ClerkApi = { start: (instance: { users: number }) => Promise<{ url: string; secretKey: string }> };

/** Starts the stand-in of Clerk's API, with the rate limit of a production instance, in a process of its own: this file. */
export function startClerk(): Program<ClerkApi> {
  return startProgram<ClerkApi>(import.meta.filename);
}

async function start({ users }: { users: number }): Promise<{ url: string; secretKey: string }> {
  const clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in", rate: { requests: 1000, seconds: 10 } });
  clerk.users.fill(makeUsers(users));
  return { url: clerk.url, secretKey: clerk.secretKey };
}

if (import.meta.main) answerQuestions({ start } satisfies ClerkApi);
