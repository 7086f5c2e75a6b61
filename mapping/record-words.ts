import type { KindName } from "./mapping.ts";

/** A kind of record that has a table, as job_queue.kind has it. */
export type RecordKind = "user" | KindName;

/** One record, and several, in a sentence. */
export const inWords: Readonly<Record<RecordKind, readonly [one: string, many: string]>> = {
  user: ["a user", "users"],
  organization: ["an organization", "organizations"],
  membership: ["a membership", "memberships"],
  role: ["a role", "roles"],
  invitation: ["an invitation", "invitations"],
};
