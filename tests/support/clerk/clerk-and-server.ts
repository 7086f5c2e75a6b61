import { startClerkStandIn } from "../../../local/clerk/start-clerk-stand-in.ts";
import { cliFor } from "../processes/run-cli.ts";
import { startTestServer } from "../processes/test-server.ts";
import { postEvent } from "../webhook/post-event.ts";
import { deletedEvent, userEvent } from "./build-event.ts";
import { clerkIdOf, makeUser } from "./make-users.ts";

type Facts = Partial<Parameters<typeof userEvent>[1]> & { version: number };

export type ClerkAndServer = Awaited<ReturnType<typeof startClerkAndServer>>;

/**
 * A Clerk instance and a server that its events reach, unless they are lost. The server mirrors nobody and has no
 * CLERK_SECRET_KEY unless `env` says otherwise.
 */
export async function startClerkAndServer(env: Record<string, string> = {}) {
  const clerk = await startClerkStandIn({ secretKey: "sk_live_stand_in" });
  const server = await startTestServer({ AUTH_MIRROR: "off", CLERK_API_URL: clerk.url, ...env });
  const change = async (place: number, facts: Facts, isLost = false): Promise<void> => {
    const data = makeUser(place, facts);
    const isNew = !clerk.users.has(data.id);
    clerk.users.set(data.id, data);
    const event = userEvent(isNew ? "user.created" : "user.updated", { id: data.id, ...facts });
    if (!isLost) await postEvent(server.settings, { ...event, data });
  };
  const remove = async (place: number, version: number, isLost = false): Promise<void> => {
    clerk.users.delete(clerkIdOf(place));
    if (!isLost) await postEvent(server.settings, deletedEvent({ id: clerkIdOf(place), version }));
  };
  /** Waits for the queue, and nobody is a newcomer any more: a compare leaves those alone. */
  const grow = async (): Promise<void> => {
    await server.quiet();
    await server.pool.query("update clerk_sync.records set first_seen_at = first_seen_at - interval '1 hour'");
  };
  return {
    clerk,
    server,
    cli: cliFor(server.settings, clerk),
    /** A user is new or changes at Clerk. */
    change,
    remove,
    /** Users 0 to count - 1, in step. */
    createUsers: async (count: number): Promise<void> => {
      for (let place = 0; place < count; place++) await change(place, { version: place });
      await grow();
    },
    grow,
    /** What we have of each user, a line each. */
    rowsHere: async (): Promise<string[]> => {
      const { rows } = await server.pool.query(
        `select u.clerk_id, u.email, u.name, u.role, s.banned, s.version
         from users as u join clerk_sync.known_users as s on s.clerk_id = u.clerk_id
         where u.deleted_at is null order by u.clerk_id`,
      );
      return rows.map((row) => Object.values(row).join());
    },
    /** What Clerk has of each user, in the same form. */
    rowsAtClerk: (): string[] => [...clerk.users.values()].map((user) => lineOf(user as unknown as ClerkData)).sort(),
    stop: async (): Promise<void> => {
      await server.stop();
      await clerk.stop();
    },
  };
}

type ClerkData = ReturnType<typeof makeUser>;

function lineOf(user: ClerkData): string {
  const email = user.email_addresses.find(({ id }) => id === user.primary_email_address_id)?.email_address;
  const role = "role" in user.public_metadata ? user.public_metadata.role : "user";
  return [user.id, email, `${user.first_name} Lovelace`, role, user.banned, user.updated_at].join();
}
