import type { NewJob } from "#core/database/database.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { atOnce, noPeer, type Peer, timed } from "./peer.ts";
import { toUserRow } from "./upsert-users.ts";

/** As many calls at once as the mirror of one worker makes. */
const callsAtOnce = 10;

/** The most a mirror could do: its calls alone. `BENCH_AUTH_URL` says where Supabase Auth is. */
export const authCalls: Peer = {
  name: "Auth calls alone",
  settings: `No queue and no database: one call for each user, ${callsAtOnce} at once for each worker.`,
  open: async () => {
    const auth = createAuthAdmin({ supabaseUrl: process.env["BENCH_AUTH_URL"] ?? "", secretKey: "sb_secret_bench" });
    let jobs: NewJob[] = [];
    return {
      ...noPeer,
      fill: async (given) => {
        jobs = [...jobs, ...given];
      },
      drain: (workers) => {
        const left = jobs.values();
        jobs = [];
        return timed(() =>
          atOnce(workers * callsAtOnce, async () => {
            for (const job of left) await auth.createUser(toInput(job));
          }),
        );
      },
    };
  },
};

function toInput(job: NewJob) {
  const { clerk_id, email, name, role } = toUserRow(job);
  const metadata = { clerk_id, role };
  return {
    id: crypto.randomUUID(),
    email: email ?? "",
    email_confirm: true,
    app_metadata: metadata,
    user_metadata: { ...metadata, full_name: name },
  } as const;
}
