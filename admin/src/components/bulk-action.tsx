import { Button, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { JobFilter } from "#core/admin-jobs-contract.ts";
import { changeMatching, type JobVerb } from "../api/change-jobs.ts";
import { showDone, showFailure } from "../api/use-action.ts";
import { useClient } from "../api/use-client.ts";
import { formatCount } from "../format-time.ts";
import { ActionButton } from "./action-button.tsx";
import { useConfirm } from "./confirm.tsx";

type Props = { action: JobVerb; filter: JobFilter; label: string };
type Count = { count: number; is_exact: boolean };
type Progressing = { changed: number; count: number };

const words = {
  retry: { verb: "Retry", done: "due again", body: "They are tried from the start, and keep their history." },
  cancel: {
    verb: "Cancel",
    done: "cancelled",
    body: "What they were to bring is not applied. They can be retried later.",
  },
};

const noClose = () => undefined;

/** Retries or cancels all jobs that match: counts them, asks, then works in slices with progress, and can be stopped. */
export function BulkAction({ action, filter, label }: Props) {
  const { isCounting, progress, start, stop } = useBulkAction(action, filter);
  return (
    <>
      <ActionButton onClick={() => void start()} loading={isCounting}>
        {label}
      </ActionButton>
      <Modal opened={progress !== null} onClose={noClose} withCloseButton={false} title={label}>
        {progress && <UnderWay {...progress} done={words[action].done} stop={stop} />}
      </Modal>
    </>
  );
}

function UnderWay({ changed, count, done, stop }: Progressing & { done: string; stop: () => void }) {
  const share = count === 0 ? 100 : Math.min(100, (changed / count) * 100);
  return (
    <Stack gap="md">
      <Text size="sm" role="status">
        {formatCount(changed)} of {formatCount(count)} jobs are {done}.
      </Text>
      <Progress value={share} aria-label="Progress" animated />
      <Group justify="flex-end">
        <Button variant="default" onClick={stop}>
          Stop
        </Button>
      </Group>
    </Stack>
  );
}

function useBulkAction(action: JobVerb, filter: JobFilter) {
  const client = useClient();
  const queries = useQueryClient();
  const confirm = useConfirm();
  const [isCounting, setCounting] = useState(false);
  const [progress, setProgress] = useState<Progressing | null>(null);
  const stopper = useRef(new AbortController());
  const countAndAsk = async () => {
    setCounting(true);
    const counted = await client.post<Count>("/jobs/count", { filter, action }).finally(() => setCounting(false));
    return (await confirm(question(action, counted))) && counted.count > 0 ? counted.count : null;
  };
  const work = async (count: number) => {
    stopper.current = new AbortController();
    setProgress({ changed: 0, count });
    const onProgress = (changed: number) => setProgress({ changed, count: Math.max(count, changed) });
    const changed = await changeMatching(client, { action, filter, signal: stopper.current.signal, onProgress });
    showDone(`${formatCount(changed)} jobs are ${words[action].done}.`);
  };
  const start = async () => {
    try {
      const count = await countAndAsk();
      if (count !== null) await work(count);
    } catch (error) {
      showFailure(error);
    } finally {
      setProgress(null);
      void queries.invalidateQueries();
    }
  };
  return { isCounting, progress, start, stop: () => stopper.current.abort() };
}

function question(action: JobVerb, { count, is_exact }: Count) {
  const { verb, body } = words[action];
  if (count === 0) {
    return {
      title: `${verb} jobs?`,
      body: `No job that matches can be ${action === "retry" ? "retried" : "cancelled"}.`,
      action: "All right",
    };
  }
  const many = count === 1 && is_exact ? "one job" : `${formatCount(count)} ${is_exact ? "jobs" : "jobs or more"}`;
  return { title: `${verb} ${many}?`, body, action: `${verb} ${many}`, isDangerous: action === "cancel" };
}
