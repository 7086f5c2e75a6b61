import { Group, Text } from "@mantine/core";
import type { JobFilter, JobSummary } from "#core/admin/contract/jobs.ts";
import { changeThese, idsFor, type JobVerb } from "../../api/change-jobs.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { BulkAction } from "../../components/bulk-action.tsx";
import { askForSelected, nameSelectedAction, tellNoneSelected, tellResult } from "../../components/bulk-words.ts";
import { useConfirm } from "../../components/confirm.tsx";
import { formatCount } from "../../format-time.ts";
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

function ChangeSelected({ action, selected, onDone }: Omit<Props, "filter"> & { action: JobVerb }) {
  const confirm = useConfirm();
  const ids = idsFor(action, selected);
  const change = useAction({
    run: (client) => changeThese(client, action, ids),
    done: (changed) => tellResult(action, { changed, isWhole: true }),
  });
  const ask = async () => {
    if (await confirm(askForSelected(action, ids.length))) change.mutate(undefined, { onSuccess: onDone });
  };
  return (
    <ActionButton
      onClick={() => void ask()}
      loading={change.isPending}
      refusal={ids.length === 0 ? tellNoneSelected(action) : null}
    >
      {nameSelectedAction(action)}
    </ActionButton>
  );
}
