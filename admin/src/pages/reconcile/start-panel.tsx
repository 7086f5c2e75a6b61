import { Group, Radio, SimpleGrid, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { AdminRun } from "#core/admin/contract/overview.ts";
import { useRunDriver } from "../../api/run-driver.tsx";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { Panel } from "../../components/panel.tsx";
import { kinds } from "./run-words.ts";

/** Chooses a run and starts it: dry, which changes nothing, or applied. */
export function StartPanel({ open }: { open: AdminRun | null }) {
  const [kind, setKind] = useState<AdminRun["kind"]>("compare");
  const { start, drive } = useRunDriver();
  const isBusy = open !== null || drive?.isDriving === true;
  const refusal = isBusy ? "A run is open; one goes at a time. Carry it on, or cancel it." : null;
  const startApplied = useConfirmedStart(kind);
  return (
    <Panel title="Start a run">
      <Radio.Group value={kind} onChange={(value) => setKind(value as AdminRun["kind"])} aria-label="Kind of run">
        <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
          {kinds.map((each) => (
            <KindCard key={each.kind} {...each} />
          ))}
        </SimpleGrid>
      </Radio.Group>
      <Group gap="xs">
        <ActionButton onClick={() => start(kind, false)} refusal={refusal} variant="filled">
          Dry run: only look
        </ActionButton>
        <ActionButton onClick={startApplied} refusal={refusal}>
          Run and mend …
        </ActionButton>
      </Group>
    </Panel>
  );
}

function KindCard({ kind, name, about }: (typeof kinds)[number]) {
  return (
    <Radio.Card value={kind} p="sm" aria-label={name}>
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <Radio.Indicator mt={2} />
        <Stack gap={2}>
          <Text size="sm" fw={600}>
            {name}
          </Text>
          <Text size="xs" c="dimmed">
            {about}
          </Text>
        </Stack>
      </Group>
    </Radio.Card>
  );
}

const consequences: Readonly<Record<AdminRun["kind"], string>> = {
  compare: "Missing users are created, old ones brought up to date, and those deleted at Clerk are deleted.",
  sweep: "Who changed lately is brought up to date; nobody is deleted.",
  backfill: "Every user of Clerk is created or brought up to date; nobody is deleted.",
};

function useConfirmedStart(kind: AdminRun["kind"]): () => void {
  const confirm = useConfirm();
  const { start } = useRunDriver();
  const ask = async () => {
    const isWanted = await confirm({
      title: `Run a ${kind} and mend what it finds?`,
      body: `${consequences[kind]} It goes through the queue behind the events, and stops at the delete brake.`,
      action: `Run the ${kind}`,
    });
    if (isWanted) start(kind, true);
  };
  return () => void ask();
}
