import { Button } from "@mantine/core";
import type { User } from "#core/admin-users-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";

type Props = { clerkId: string; isRevealed: boolean; onRevealed: (user: User | null) => void };

/** Shows personal values as they are, which goes into the audit; or hides them again. */
export function RevealUser({ clerkId, isRevealed, onRevealed }: Props) {
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
  if (isRevealed) {
    return (
      <Button size="xs" variant="default" onClick={() => onRevealed(null)}>
        Hide personal values
      </Button>
    );
  }
  return (
    <ActionButton onClick={() => void ask()} loading={reveal.isPending}>
      Reveal personal values
    </ActionButton>
  );
}
