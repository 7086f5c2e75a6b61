import { useAction } from "../api/use-action.ts";
import { ActionButton } from "./action-button.tsx";
import { useConfirm } from "./confirm.tsx";

type Props<Revealed> = {
  /** What of the API is revealed: `<path>/reveal`. */
  path: string;
  label: string;
  onRevealed: (revealed: Revealed) => void;
};

/** Shows personal values as they are, after a question: that goes into the audit. */
export function RevealButton<Revealed>({ path, label, onRevealed }: Props<Revealed>) {
  const confirm = useConfirm();
  const reveal = useAction({
    run: (client) => client.post<Revealed>(`${path}/reveal`),
    done: (revealed) => {
      onRevealed(revealed);
      return null;
    },
  });
  const ask = async () => {
    const body = "The audit records that you looked, and when.";
    if (await confirm({ title: "Reveal personal values?", body, action: "Reveal" })) reveal.mutate(undefined);
  };
  return (
    <ActionButton onClick={() => void ask()} loading={reveal.isPending}>
      {label}
    </ActionButton>
  );
}
