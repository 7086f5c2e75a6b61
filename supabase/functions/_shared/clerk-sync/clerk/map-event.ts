import { noRecords, type RecordFields, type UserFields } from "../config/mapping.ts";
import type { NewJob } from "../database/database.ts";
import { mapRecordEvent } from "./map-record.ts";
import { mapUser } from "./map-user.ts";
import type { ClerkEvent } from "./parse-event.ts";
import { summariseEvent } from "./summarise-event.ts";

export type HandledEvent = Exclude<ClerkEvent, { type: "unhandled" }>;

/** Maps a handled event to the job that applies it. `eventId` is the delivery's svix-id; `fields` and `records` say what is stored. */
export function mapEvent(
  event: HandledEvent,
  eventId: string,
  fields: UserFields,
  records: RecordFields = noRecords,
): NewJob {
  if ("kind" in event) return mapRecordEvent(event, eventId, records);
  if (event.type === "user.deleted") return mapDeletion(event, eventId);
  return {
    event_id: eventId,
    job_type: event.type === "user.created" ? "USER_CREATED" : "USER_UPDATED",
    clerk_id: event.user.id,
    version: event.version,
    payload: { ...mapUser(event.user, fields), original_event: summariseEvent(event.original), retry_count: 0 },
  };
}

function mapDeletion(event: Extract<ClerkEvent, { type: "user.deleted" }>, eventId: string): NewJob {
  const names = event.clerkId !== null || event.externalId !== null;
  return {
    event_id: eventId,
    job_type: "USER_DELETED",
    clerk_id: event.clerkId,
    version: event.version,
    payload: {
      clerk_id: event.clerkId,
      external_id: event.externalId,
      original_event: summariseEvent(event.original),
      retry_count: 0,
    },
    ...(names ? {} : { dead_reason: "user_unknown: user.deleted came with neither id nor external_id" }),
  };
}
