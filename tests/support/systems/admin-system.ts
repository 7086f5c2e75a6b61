import { type AskAdmin, createAskAdmin } from "../admin/ask-admin.ts";
import { userEvent } from "../clerk/build-event.ts";
import {
  type ClerkInstance,
  clerkEnvironment,
  planClerkInstance,
  startClerkInstance,
} from "../clerk/clerk-instance.ts";
import { startTestServer, type TestServer } from "../processes/test-server.ts";
import { postEvent } from "../webhook/post-event.ts";

type Facts = Partial<Parameters<typeof userEvent>[1]>;

export type AdminSystem = {
  clerk: ClerkInstance;
  server: TestServer;
  url: string;
  /** As operator, by the secret key, known as Ada. */
  ask: AskAdmin;
  /** The user is like this at Clerk; no event is sent. */
  setAtClerk: (id: string, facts?: Facts) => void;
  /** An event of the user arrives and is worked through. */
  deliver: (id: string, facts?: Facts) => Promise<void>;
  verdictOf: (id: string) => Promise<{ code: string }>;
  /** What the audit has of a subject, "who what" each. */
  audited: (subject: string) => Promise<string[]>;
  stop: () => Promise<void>;
};

/** A server with the Clerk instance it belongs to, and sync-admin on it. */
export async function startAdminSystem(env: Record<string, string> = {}): Promise<AdminSystem> {
  const place = await planClerkInstance();
  const clerk = await startClerkInstance(place);
  const server = await startTestServer({ ...clerkEnvironment(place), ...env });
  const url = `${server.settings.url}/functions/v1/sync-admin`;
  const ask = createAskAdmin(url, { apikey: server.settings.secretKey, "x-clerk-sync-actor": "Ada" });
  const eventOf = (id: string, facts: Facts = {}) => userEvent("user.created", { id, version: 1, ...facts });
  return {
    clerk,
    server,
    url,
    ask,
    setAtClerk: (id, facts) => clerk.users.set(id, eventOf(id, facts).data as { id: string; updated_at: number }),
    deliver: async (id, facts) => {
      await postEvent(server.settings, eventOf(id, facts));
      await server.quiet();
    },
    verdictOf: async (id) => (await ask("GET", `/users/${id}`)).body["verdict"] as { code: string },
    audited: async (subject) => {
      const { body } = await ask("GET", `/audit?kind=operator_action&subject=${encodeURIComponent(subject)}`);
      const entries = body["entries"] as { source: string; code: string }[];
      return entries.map(({ source, code }) => `${source} ${code}`).sort();
    },
    stop: async () => {
      await server.stop();
      await clerk.stop();
    },
  };
}
