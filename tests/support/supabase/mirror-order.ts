import type { MirrorOrder } from "../../../supabase/functions/_shared/clerk-sync/database/database.ts";

/** One user owed to Supabase Auth; a test says what differs from Ada, verified and not mirrored yet. */
export function mirrorOrder(facts: Partial<MirrorOrder> = {}): MirrorOrder {
  return {
    job_id: "job_1",
    clerk_id: "user_35rT8mQvXk2LhN4pZsYcWb6JdGe",
    deleted: false,
    relinked: false,
    email: "ada@example.com",
    email_verified: true,
    phone: null,
    name: "Ada Lovelace",
    role: "user",
    banned: false,
    auth_user_id: null,
    auth_finding: null,
    auth_holder_id: null,
    auth_locked_at: null,
    attempts: 1,
    ...facts,
  };
}
