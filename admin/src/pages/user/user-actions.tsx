import type { User } from "#core/admin/contract/users.ts";
import type { Client } from "../../api/client.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { removesByResync } from "./verdict-look.ts";

type OnActed = { /** Called when it was done. */ onActed: () => void };

export function RetryJob({ jobId, onActed }: { jobId: string } & OnActed) {
  const retry = useAction({
    run: (client) => client.post<{ changed: number }>("/jobs/retry", { ids: [jobId] }),
    done: ({ changed }) => {
      onActed();
      return changed === 0 ? "The job has changed meanwhile and was left as it is." : "The job is due again.";
    },
  });
  return (
    <ActionButton variant="filled" onClick={() => retry.mutate(undefined)} loading={retry.isPending}>
      Retry the job
    </ActionButton>
  );
}

const removal = {
  title: "Resync a user whom Clerk does not have?",
  body: "Clerk has answered that there is no such user. If it says so again, the user is deleted here as well, and in Supabase Auth.",
  action: "Resync",
  isDangerous: true,
};

const clerkOff = "A resync reads the user from Clerk's API: set CLERK_SECRET_KEY first.";

/** Has the user read again from Clerk. `isFirst`: it is what the verdict asks for. */
export function Resync({ user, isFirst, onActed }: { user: User; isFirst: boolean } & OnActed) {
  const confirm = useConfirm();
  const resync = useAction({
    run: (client) => requestResync(client, user.clerk_id),
    done: () => {
      onActed();
      return "The user is read again from Clerk, at once.";
    },
  });
  const ask = async () => {
    if (!removesByResync(user) || (await confirm(removal))) resync.mutate(undefined);
  };
  return (
    <ActionButton
      variant={isFirst ? "filled" : "default"}
      onClick={() => void ask()}
      loading={resync.isPending}
      refusal={user.clerk.state === "off" ? clerkOff : null}
    >
      Resync from Clerk
    </ActionButton>
  );
}

/** Has the user who holds the address read again, then this one: who has it at Clerk gets it. */
export function ResyncBoth({ user, holder, onActed }: { user: User; holder: string } & OnActed) {
  const resync = useAction({
    run: async (client) => {
      await requestResync(client, holder);
      await requestResync(client, user.clerk_id);
    },
    done: () => {
      onActed();
      return "Both users are read again from Clerk, at once.";
    },
  });
  return (
    <ActionButton
      variant="filled"
      onClick={() => resync.mutate(undefined)}
      loading={resync.isPending}
      refusal={user.clerk.state === "off" ? clerkOff : null}
    >
      Resync both
    </ActionButton>
  );
}

function requestResync(client: Client, clerkId: string): Promise<{ requested: number }> {
  return client.post<{ requested: number }>(`/users/${encodeURIComponent(clerkId)}/resync`);
}
