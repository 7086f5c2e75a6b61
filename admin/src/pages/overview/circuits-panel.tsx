import { Group, Stack, Text } from "@mantine/core";
import type { Circuit } from "#core/admin/contract/overview.ts";
import { Panel } from "../../components/panel.tsx";
import { nameService, ResetCircuit } from "../../components/reset-circuit.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import { countOf } from "../../count-words.ts";

/** Whether the services are called, and what waits for one that is not. */
export function CircuitsPanel({ circuits }: { circuits: readonly Circuit[] }) {
  return (
    <Panel title="Circuits" id="circuits">
      <Text size="sm" c="dimmed">
        Calls to a service that is down are paused, so that no job uses up its attempts. They start again by themselves.
      </Text>
      {circuits.length === 0 && <Text size="sm">None has been needed yet.</Text>}
      {circuits.map((circuit) => (
        <CircuitState key={circuit.name} circuit={circuit} />
      ))}
    </Panel>
  );
}

function CircuitState({ circuit }: { circuit: Circuit }) {
  const { name, state, since, failures, next_probe, last_error, waiting } = circuit;
  const isClosed = state === "closed";
  return (
    <Group justify="space-between" align="flex-start" wrap="nowrap">
      <Stack gap={2} miw={0}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {nameService(name)}
          </Text>
          <StatusBadge status={state} />
        </Group>
        {!isClosed && (
          <Text size="sm" component="div">
            since <TimeAgo at={since} />, {countOf(failures, "failure", "failures")},{" "}
            {countOf(waiting, "job waits", "jobs wait")}; tried again <TimeAgo at={next_probe} />
          </Text>
        )}
        {!isClosed && last_error && (
          <Text size="sm" c="dimmed" className="ids">
            {last_error}
          </Text>
        )}
      </Stack>
      <ResetCircuit name={name} refusal={isClosed ? "It is closed: calls go through." : null}>
        Reset
      </ResetCircuit>
    </Group>
  );
}
