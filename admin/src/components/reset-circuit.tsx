import type { ReactNode } from "react";
import { useAction } from "../api/use-action.ts";
import { ActionButton } from "./action-button.tsx";
import { useConfirm } from "./confirm.tsx";

const services: Readonly<Record<string, string>> = { auth: "Supabase Auth", clerk: "Clerk's API" };

/** The service that a circuit stands before, as people name it. */
export function nameService(circuit: string): string {
  return services[circuit] ?? circuit;
}

type Props = {
  /** The circuit: auth or clerk. */
  name: string;
  refusal?: string | null;
  onDone?: () => void;
  children: ReactNode;
};

/** Has a service called again that is left alone because it failed; after a question. */
export function ResetCircuit({ name, refusal = null, onDone, children }: Props) {
  const confirm = useConfirm();
  const service = nameService(name);
  const reset = useAction({
    run: (client) => client.post(`/circuits/${encodeURIComponent(name)}/reset`),
    done: () => {
      onDone?.();
      return `Calls to ${service} go through again.`;
    },
  });
  const ask = async () => {
    const isWanted = await confirm({
      title: `Call ${service} again?`,
      body: "Do it when you know that the service is back. If it is not, the calls fail again and are paused again.",
      action: "Reset the circuit",
    });
    if (isWanted) reset.mutate(undefined);
  };
  return (
    <ActionButton
      onClick={() => void ask()}
      loading={reset.isPending}
      refusal={refusal}
      aria-label={`Reset ${service}`}
    >
      {children}
    </ActionButton>
  );
}
