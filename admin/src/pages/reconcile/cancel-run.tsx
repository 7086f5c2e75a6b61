import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useRunDriver } from "../../api/run-driver.tsx";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { nameRun } from "./run-words.ts";

/** Ends the open run for good. */
export function CancelRun({ run }: { run: AdminRun }) {
  const confirm = useConfirm();
  const { pause } = useRunDriver();
  const cancel = useAction({
    run: (client) => client.post("/runs/cancel"),
    done: () => `The ${nameRun(run)} was cancelled.`,
  });
  const ask = async () => {
    const isWanted = await confirm({
      title: `Cancel this ${nameRun(run)}?`,
      body: "It ends where it is. What it has put into the queue is still worked on.",
      action: "Cancel the run",
    });
    if (!isWanted) return;
    pause();
    cancel.mutate(undefined);
  };
  return (
    <ActionButton onClick={() => void ask()} loading={cancel.isPending}>
      Cancel the run …
    </ActionButton>
  );
}
