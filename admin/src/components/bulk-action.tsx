import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { JobFilter } from "#core/admin/contract/jobs.ts";
import type { JobVerb } from "../api/change-jobs.ts";
import { showFailure, showNote } from "../api/use-action.ts";
import { useClient } from "../api/use-client.ts";
import { ActionButton } from "./action-button.tsx";
import { askForAll, type Count, tellNone } from "./bulk-words.ts";
import { useBulkWork } from "./bulk-work.tsx";
import { useConfirm } from "./confirm.tsx";

type Props = { action: JobVerb; filter: JobFilter; label: string };

/** Retries or cancels all jobs that match: counts them, asks, then works in slices with progress, and can be stopped. */
export function BulkAction({ action, filter, label }: Props) {
  const [isCounting, setCounting] = useState(false);
  const client = useClient();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const work = useBulkWork();
  const count = () => {
    setCounting(true);
    return client.post<Count>("/jobs/count", { filter, action }).finally(() => setCounting(false));
  };
  const start = async () => {
    const counted = await count();
    if (counted.count === 0) {
      showNote(tellNone(action), "gray");
      await queries.invalidateQueries();
      return;
    }
    if (await confirm(askForAll(action, counted))) await work({ action, filter, label, count: counted.count });
  };
  return (
    <ActionButton onClick={() => void start().catch(showFailure)} loading={isCounting}>
      {label}
    </ActionButton>
  );
}
