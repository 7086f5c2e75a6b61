import { readFile } from "node:fs/promises";
import { z } from "zod";
import { mapEvent } from "#core/clerk/map-event.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import type { NewJob } from "#core/database/database.ts";
import { storedFields } from "../../tests/support/clerk/root-fields.ts";
import { macOf, testSecret } from "../../tests/support/clerk/sign.ts";

export const webhookPath = "/functions/v1/clerk-webhook";
export const webhookSecret = testSecret;

/** So many events with ids of their own, for so many users: event n is for user n modulo `users`, each newer. */
export type Events = { prefix: string; count: number; users: number };

const eventSchema = z.object({ data: z.looseObject({ email_addresses: z.array(z.looseObject({})) }) }).loose();
const fixtureFile = new URL("../../tests/fixtures/clerk/user.updated.json", import.meta.url);
const firstVersion = 1_763_900_000_000;
const template = makeTemplate(eventSchema.parse(JSON.parse(await readFile(fixtureFile, "utf8"))));

/** The event of the fixture, about 2.4 kB, with marks where the user and the version go. */
function makeTemplate(event: z.infer<typeof eventSchema>): string {
  const [address = {}] = event.data.email_addresses;
  const data = {
    ...event.data,
    id: "%id%",
    last_name: "L %version%", // an event that changes nothing would leave a row unwritten
    updated_at: "%version%",
    email_addresses: [{ ...address, id: "idn_primary", email_address: "%id%@example.com" }],
    primary_email_address_id: "idn_primary",
  };
  return JSON.stringify({ ...event, type: "user.created", data }).replaceAll('"%version%"', "%version%");
}

/** A user.created event as Clerk sends it. */
export function eventBody(userId: string, version: number): string {
  return template.replaceAll("%id%", userId).replaceAll("%version%", String(firstVersion + version));
}

function* eventBodies({ prefix, count, users }: Events): Generator<{ id: string; user: string; body: string }> {
  for (let place = 0; place < count; place++) {
    const user = `user_${prefix}_${place % users}`;
    yield { id: `msg_${prefix}_${place}`, user, body: eventBody(user, Math.floor(place / users)) };
  }
}

/** The jobs that the webhook makes of the events. */
export function makeJobs(events: Events): NewJob[] {
  return [...eventBodies(events)].map(({ id, body }) => makeJob(id, body));
}

const encoder = new TextEncoder();

/** The job that the webhook makes of one event. */
export function makeJob(id: string, body: string): NewJob {
  const event = parseEvent(encoder.encode(body));
  if (event.type === "unhandled") throw new TypeError("the fixture is no event of a user");
  return mapEvent(event, id, storedFields);
}

export type SignedRequest = { user: string; bytes: Buffer };

/** Whole HTTP requests as bytes, signed now: sending one costs the sender next to nothing. */
export function makeRequests(events: Events): SignedRequest[] {
  const timestamp = String(Math.floor(Date.now() / 1000));
  return [...eventBodies(events)].map(({ id, user, body }) => {
    const bytes = Buffer.from(body);
    const signature = macOf({ id, timestamp, body: bytes }).toString("base64");
    const head = [
      `POST ${webhookPath} HTTP/1.1`,
      "host: 127.0.0.1",
      "content-type: application/json",
      `content-length: ${bytes.length}`,
      `svix-id: ${id}`,
      `svix-timestamp: ${timestamp}`,
      `svix-signature: v1,${signature}`,
    ].join("\r\n");
    return { user, bytes: Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes]) };
  });
}
