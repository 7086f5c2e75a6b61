import { Button, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import type { JobFilter } from "#core/admin-jobs-contract.ts";
import { changeMatching, type JobVerb } from "../api/change-jobs.ts";
import { showFailure } from "../api/use-action.ts";
import { useClient } from "../api/use-client.ts";
import { ActionButton } from "./action-button.tsx";
import { askForAll, type Count, tellNone, tellProgress, tellResult } from "./bulk-words.ts";
import { useConfirm } from "./confirm.tsx";

type Props = {
  action: JobVerb;
  filter: JobFilter;
  label: string;
  /** Why it cannot be done here; null or nothing when it can. */
  refusal?: string | null;
};
type Progressing = { changed: number; count: number };

const noClose = () => undefined;

/** Retries or cancels all jobs that match: counts them, asks, then works in slices with progress, and can be stopped. */
export function BulkAction({ action, filter, label, refusal = null }: Props) {
  const { isCounting, progress, start, stop } = useBulkAction(action, filter);
  return (
    <>
      <ActionButton onClick={() => void start()} loading={isCounting} refusal={refusal}>
        {label}
      </ActionButton>
      <Modal opened={progress !== null} onClose={noClose} withCloseButton={false} title={label}>
        {progress && <UnderWay progress={progress} words={tellProgress(action, progress)} stop={stop} />}
      </Modal>
    </>
  );
}

function UnderWay({ progress, words, stop }: { progress: Progressing; words: string; stop: () => void }) {
  const { changed, count } = progress;
  const [isStopping, setStopping] = useState(false);
  const stopOnce = () => {
    setStopping(true);
    stop();
  };
  return (
    <Stack gap="md">
      <Text size="sm" role="status">
        {words}
      </Text>
      <Progress value={Math.min(100, (changed / count) * 100)} aria-label="Progress" animated />
      <Group justify="flex-end">
        <Button variant="default" onClick={stopOnce} disabled={isStopping}>
          {isStopping ? "Stopping" : "Stop"}
        </Button>
      </Group>
    </Stack>
  );
}

function useBulkAction(action: JobVerb, filter: JobFilter) {
  const queries = useQueryClient();
  const [isCounting, setCounting] = useState(false);
  const [progress, setProgress] = useState<Progressing | null>(null);
  const stopper = useRef(new AbortController());
  const countAndAsk = useCountAndAsk(action, filter);
  const work = useWork(action, filter);
  const start = async () => {
    stopper.current = new AbortController();
    try {
      const count = await countAndAsk(setCounting);
      if (count > 0) await work(count, { signal: stopper.current.signal, show: setProgress });
    } catch (error) {
      showFailure(error);
    } finally {
      setProgress(null);
      void queries.invalidateQueries();
    }
  };
  // Nobody could stop it any more once the page was left.
  useEffect(() => () => stopper.current.abort(), []);
  return { isCounting, progress, start, stop: () => stopper.current.abort() };
}

/** How many there are to change; 0 when there are none, or the answer was no. */
function useCountAndAsk(action: JobVerb, filter: JobFilter) {
  const client = useClient();
  const confirm = useConfirm();
  return async (setCounting: (isCounting: boolean) => void): Promise<number> => {
    setCounting(true);
    const counted = await client.post<Count>("/jobs/count", { filter, action }).finally(() => setCounting(false));
    if (counted.count === 0) notifications.show({ message: tellNone(action), color: "gray" });
    if (counted.count === 0 || !(await confirm(askForAll(action, counted)))) return 0;
    return counted.count;
  };
}

type Working = { signal: AbortSignal; show: (progress: Progressing) => void };

/** Says how far it came, however it ended. */
function useWork(action: JobVerb, filter: JobFilter) {
  const client = useClient();
  return async (count: number, { signal, show }: Working): Promise<void> => {
    let changed = 0;
    let isWhole = false;
    const onProgress = (reached: number) => {
      changed = reached;
      show({ changed, count: Math.max(count, changed) });
    };
    onProgress(0);
    try {
      await changeMatching(client, { action, filter, signal, onProgress });
      isWhole = !signal.aborted;
    } finally {
      const message = tellResult(action, { changed, isWhole });
      notifications.show({ message, color: isWhole ? "teal" : "orange" });
    }
  };
}
