import { v5 as uuidV5 } from "uuid";

/** Never change it: it decides the Auth id of every Clerk user, and the primary keys made from the source `uuid`. */
const namespace = "5f0d6a0e-4f5c-5d0b-9a57-6a2f3c1d8e42";

/** The UUID (version 5) of a Clerk user: the same wherever and whenever it is made. */
export function userUuid(clerkId: string): string {
  return uuidV5(clerkId, namespace);
}
