import pg from "pg";
import { noPeer, type Peer } from "./peer.ts";
import { toUserRow, upsertUsers } from "./upsert-users.ts";

/** What @supabase/stripe-sync-engine does for Stripe: verify and write in the request, no queue. */
export const writeInRequest: Peer = {
  name: "write in request",
  settings: "The shape of `@supabase/stripe-sync-engine`: the row is upserted in the request, no queue; pool of 10.",
  open: async (url, connections) => {
    const pool = new pg.Pool({ connectionString: url, max: connections });
    return {
      ...noPeer,
      take: (job) => upsertUsers((text, values) => pool.query({ name: "upsert", text, values }), [toUserRow(job)]),
      close: () => pool.end(),
    };
  },
};
