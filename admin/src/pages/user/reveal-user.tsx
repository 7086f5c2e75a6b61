import { Button } from "@mantine/core";
import type { User } from "#core/admin/contract/users.ts";
import { RevealButton } from "../../components/reveal-button.tsx";

type Props = { clerkId: string; isRevealed: boolean; onRevealed: (user: User | null) => void };

/** Shows personal values as they are, which goes into the audit; or hides them again. */
export function RevealUser({ clerkId, isRevealed, onRevealed }: Props) {
  if (isRevealed) {
    return (
      <Button size="xs" variant="default" onClick={() => onRevealed(null)}>
        Hide personal values
      </Button>
    );
  }
  const path = `/users/${encodeURIComponent(clerkId)}`;
  return <RevealButton<User> path={path} label="Reveal personal values" onRevealed={onRevealed} />;
}
