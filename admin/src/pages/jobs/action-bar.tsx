import { Group, Text } from "@mantine/core";
import type { JobFilter, JobSummary } from "#core/admin-jobs-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { BulkAction } from "../../components/bulk-action.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { formatCount } from "../../format-time.ts";
import { idsFor } from "./job-filter.ts";
import classes from "./jobs.module.css";

type Props = { filter: JobFilter; selected: readonly JobSummary[]; onDone: () => void };

/** What can be done to the selected jobs, or, with none selected, to all that match. */
export function ActionBar({ filter, selected, onDone }: Props) {
  return (
    <Group gap="xs" mb="xs" className={classes.bar ?? ""} role="toolbar" aria-label="Actions">
      {selected.length === 0 ? (
        <>
          <BulkAction action="retry" filter={filter} label="Retry all that match" />
          <BulkAction action="cancel" filter={filter} label="Cancel all that match" />
        </>
      ) : (
        <>
          <Text size="sm">{formatCount(selected.length)} selected</Text>
          <ChangeSelected action="retry" selected={selected} onDone={onDone} />
          <ChangeSelected action="cancel" selected={selected} onDone={onDone} />
        </>
      )}
    </Group>
  );
}

const words = {
  retry: { verb: "Retry", done: "due again", body: "They are tried from the start, and keep their history." },
  cancel: {
    verb: "Cancel",
    done: "cancelled",
    body: "What they were to bring is not applied. They can be retried later.",
  },
};

/** A call takes at most so many ids. */
const mostIds = 500;

function ChangeSelected({ action, selected, onDone }: Omit<Props, "filter"> & { action: "retry" | "cancel" }) {
  const confirm = useConfirm();
  const { verb, done, body } = words[action];
  const ids = idsFor(action, selected).slice(0, mostIds);
  const change = useAction({
    run: (client) => client.post<{ changed: number }>(`/jobs/${action}`, { ids }),
    done: ({ changed }) => `${formatCount(changed)} ${changed === 1 ? "job is" : "jobs are"} ${done}.`,
  });
  const ask = async () => {
    const title = ids.length === 1 ? `${verb} one job?` : `${verb} ${formatCount(ids.length)} jobs?`;
    if (!(await confirm({ title, body, action: verb, isDangerous: action === "cancel" }))) return;
    change.mutate(undefined, { onSuccess: onDone });
  };
  return (
    <ActionButton
      onClick={() => void ask()}
      loading={change.isPending}
      refusal={
        ids.length === 0 ? `None of the selected jobs can be ${action === "retry" ? "retried" : "cancelled"}.` : null
      }
    >
      {verb} selected
    </ActionButton>
  );
}
