import type { User } from "#core/admin-users-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";

/** Shows personal values as they are; that goes into the audit. */
export function RevealUser({ clerkId, onRevealed }: { clerkId: string; onRevealed: (user: User) => void }) {
  const confirm = useConfirm();
  const reveal = useAction({
    run: (client) => client.post<User>(`/users/${encodeURIComponent(clerkId)}/reveal`),
    done: (user) => {
      onRevealed(user);
      return null;
    },
  });
  const ask = async () => {
    const body = "The audit records that you looked, and when.";
    if (await confirm({ title: "Reveal personal values?", body, action: "Reveal" })) reveal.mutate(undefined);
  };
  return (
    <ActionButton onClick={() => void ask()} loading={reveal.isPending}>
      Reveal
    </ActionButton>
  );
}
