import { Code, Group, Text } from "@mantine/core";
import type { Job } from "#core/admin/contract/jobs.ts";
import { Panel } from "../../components/panel.tsx";
import { RevealButton } from "../../components/reveal-button.tsx";
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
          <RevealButton path={`/jobs/${encodeURIComponent(job.id)}`} label="Reveal" onRevealed={onRevealed} />
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
