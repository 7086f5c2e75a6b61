import type { Happening, History } from "./draw-history.ts";
import type { Scenario } from "./plan-scenario.ts";
import { drawId } from "./random.ts";
import { userSnapshot } from "./user-snapshot.ts";

/** One webhook message: the id it keeps on every delivery, and the exact bytes that are signed and sent. */
export type Message = { id: string; body: Uint8Array };

type SimulatedEvent = {
  type: Happening["type"];
  timestamp: number;
  data: ReturnType<typeof userSnapshot> | ReturnType<typeof deletionSnapshot>;
  object: "event";
  instance_id: string;
  event_attributes: { http_request: { client_ip: string; user_agent: string } };
};

/** One instance for all runs: a receiver may be pinned to it (CLERK_INSTANCE_ID). */
export const simulatedInstanceId = drawId("ins", "clerk-sync simulate");

const fromBrowser = { client_ip: "203.0.113.24", user_agent: "Mozilla/5.0 (clerk-sync simulate)" };
// What the dashboard and the Backend API leave there.
const fromBackend = { client_ip: "", user_agent: "" };

const encoder = new TextEncoder();

/** The event Clerk sends of something that happened. */
export function buildEvent({ type, at, user }: Happening): SimulatedEvent {
  return {
    data: type === "user.deleted" ? deletionSnapshot(user) : userSnapshot(user, at),
    event_attributes: { http_request: type === "user.created" ? fromBrowser : fromBackend },
    instance_id: simulatedInstanceId,
    object: "event",
    timestamp: at,
    type,
  };
}

/** The message of an event by its number in the scenario. */
export function buildMessage(scenario: Scenario, event: number, history: History): Message {
  const owner = scenario.ownerOf[event] ?? 0;
  const happening = history[event - (scenario.firstEventOf[owner] ?? 0)];
  if (happening === undefined) throw new RangeError(`The scenario has no event ${event}.`);
  return {
    id: drawId("msg", `${scenario.key}/message/${event}`),
    body: encoder.encode(JSON.stringify(buildEvent(happening))),
  };
}

function deletionSnapshot(user: Happening["user"]) {
  return {
    deleted: true as const,
    id: user.id,
    object: "user" as const,
    ...(user.externalId === null ? {} : { external_id: user.externalId }),
  };
}
