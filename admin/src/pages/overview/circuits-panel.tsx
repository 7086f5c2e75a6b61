import { Group, Stack, Text } from "@mantine/core";
import type { Circuit } from "#core/admin-overview-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import { formatCount } from "../../format-time.ts";

const services: Readonly<Record<string, string>> = { auth: "Supabase Auth", clerk: "Clerk's API" };

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
  const service = services[name] ?? name;
  const isClosed = state === "closed";
  return (
    <Group justify="space-between" align="flex-start" wrap="nowrap">
      <Stack gap={2} miw={0}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {service}
          </Text>
          <StatusBadge status={state} />
        </Group>
        {!isClosed && (
          <Text size="sm" component="div">
            since <TimeAgo at={since} />, {failures} failures, {formatCount(waiting)} jobs wait; tried again{" "}
            <TimeAgo at={next_probe} />
          </Text>
        )}
        {!isClosed && last_error && (
          <Text size="sm" c="dimmed" className="ids">
            {last_error}
          </Text>
        )}
      </Stack>
      <Reset name={name} service={service} refusal={isClosed ? "It is closed: calls go through." : null} />
    </Group>
  );
}

function Reset({ name, service, refusal }: { name: string; service: string; refusal: string | null }) {
  const confirm = useConfirm();
  const reset = useAction({
    run: (client) => client.post(`/circuits/${encodeURIComponent(name)}/reset`),
    done: () => `Calls to ${service} go through again.`,
  });
  const ask = async () => {
    const isWanted = await confirm({
      title: `Call ${service} again?`,
      body: "Do it when you know that the service is back. If it is not, the calls fail again and are paused again.",
      action: "Reset the circuit",
    });
    if (isWanted) reset.mutate(undefined);
  };
  return (
    <ActionButton
      onClick={() => void ask()}
      loading={reset.isPending}
      refusal={refusal}
      aria-label={`Reset ${service}`}
    >
      Reset
    </ActionButton>
  );
}
