import { Button, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import type { JobFilter } from "#core/admin/contract/jobs.ts";
import { changeMatching, type JobVerb } from "../api/change-jobs.ts";
import type { Client } from "../api/client.ts";
import { showDone, showFailure, showNote } from "../api/use-action.ts";
import { useClient } from "../api/use-client.ts";
import { tellProgress, tellResult } from "./bulk-words.ts";

type Work = {
  action: JobVerb;
  filter: JobFilter;
  label: string;
  /** How many are expected. */
  count: number;
};
type UnderWay = Work & { changed: number };
type Start = (work: Work) => Promise<void>;

const BulkWorkContext = createContext<Start>(() => Promise.resolve());

/** Retries or cancels all jobs that match, seen and stopped in a dialog. */
export function useBulkWork(): Start {
  return useContext(BulkWorkContext);
}

const noClose = () => undefined;

/** Stands above the pages: what was begun goes on, and can be stopped, though the list it came from is empty by then. */
export function BulkWorkProvider({ children }: { children: ReactNode }) {
  const client = useClient();
  const queries = useQueryClient();
  const [underWay, setUnderWay] = useState<UnderWay | null>(null);
  const stopper = useRef(new AbortController());
  const start = useCallback<Start>(
    async (work) => {
      stopper.current = new AbortController();
      await change(client, work, { signal: stopper.current.signal, show: setUnderWay });
      setUnderWay(null);
      await queries.invalidateQueries();
    },
    [client, queries],
  );
  useEffect(() => () => stopper.current.abort(), []);
  return (
    <BulkWorkContext value={start}>
      {children}
      <Modal opened={underWay !== null} onClose={noClose} withCloseButton={false} title={underWay?.label}>
        {underWay && <Stoppable work={underWay} stop={() => stopper.current.abort()} />}
      </Modal>
    </BulkWorkContext>
  );
}

type Watching = { signal: AbortSignal; show: (underWay: UnderWay) => void };

/** Says how far it came, however it ended. */
async function change(client: Client, work: Work, { signal, show }: Watching): Promise<void> {
  const { action, filter, count } = work;
  let changed = 0;
  let hasFailed = false;
  const onProgress = (reached: number) => {
    changed = reached;
    show({ ...work, changed, count: Math.max(count, changed) });
  };
  onProgress(0);
  try {
    await changeMatching(client, { action, filter, signal, onProgress });
  } catch (error) {
    hasFailed = true;
    showFailure(error);
  }
  const isWhole = !hasFailed && !signal.aborted;
  const message = tellResult(action, { changed, isWhole });
  if (isWhole) showDone(message);
  else showNote(message, "orange");
}

function Stoppable({ work, stop }: { work: UnderWay; stop: () => void }) {
  const { action, changed, count } = work;
  const [isStopping, setStopping] = useState(false);
  const stopOnce = () => {
    setStopping(true);
    stop();
  };
  return (
    <Stack gap="md">
      <Text size="sm" role="status">
        {tellProgress(action, { changed, count })}
      </Text>
      <Progress value={(changed / count) * 100} aria-label="Progress" animated />
      <Group justify="flex-end">
        <Button variant="default" onClick={stopOnce} loading={isStopping}>
          Stop
        </Button>
      </Group>
    </Stack>
  );
}
