import { Code, Group, Text } from "@mantine/core";
import type { Job } from "#core/admin-jobs-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { Panel } from "../../components/panel.tsx";
import classes from "./payload.module.css";

type Props = { job: Job; onRevealed: (job: Job) => void };

/** What the job carries and what came of it; personal values are masked until somebody reveals them. */
export function PayloadPanel({ job, onRevealed }: Props) {
  return (
    <Panel
      title="Payload"
      aside={
        job.is_revealed ? (
          <Text size="xs">revealed; it is in the audit</Text>
        ) : (
          <Reveal job={job} onRevealed={onRevealed} />
        )
      }
    >
      {!job.is_revealed && (
        <Text size="xs" c="dimmed">
          Personal values are masked.
        </Text>
      )}
      <Json name="Payload" value={job.payload} isOpen />
      {job.result !== null && <Json name="Result" value={job.result} isOpen={false} />}
    </Panel>
  );
}

function Reveal({ job, onRevealed }: Props) {
  const confirm = useConfirm();
  const reveal = useAction({
    run: (client) => client.post<Job>(`/jobs/${encodeURIComponent(job.id)}/reveal`),
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
      Reveal
    </ActionButton>
  );
}

function Json({ name, value, isOpen }: { name: string; value: unknown; isOpen: boolean }) {
  return (
    <details open={isOpen} className={classes.json}>
      <summary>
        <Group gap={4} display="inline-flex">
          {name}
        </Group>
      </summary>
      <Code block>{JSON.stringify(value, null, 2)}</Code>
    </details>
  );
}
