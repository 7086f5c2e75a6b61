import { Anchor, Code, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import type { HealthReason, Overview } from "#core/admin/contract/overview.ts";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import classes from "./overview.module.css";
import { findPlace } from "./reason-place.ts";

const sentences: Readonly<Record<Overview["health"]["status"], string>> = {
  healthy: "Nothing is known to be wrong: users are in step with Clerk.",
  degraded: "Somebody should look. What is in the table of users can be relied on.",
  compromised: "The table of users is behind Clerk, or may be.",
};

/** How the sync is, and for each reason what it is, since when, and what to do. */
export function HealthPanel({ health: { status, reasons } }: { health: Overview["health"] }) {
  return (
    <Panel title="Health" aside={<StatusBadge status={status} size="lg" />}>
      <Text size="sm">{sentences[status]}</Text>
      {reasons.length > 0 && (
        <Stack component="ul" gap="xs" className={classes.reasons}>
          {reasons.map((reason) => (
            <Reason key={reason.code} reason={reason} />
          ))}
        </Stack>
      )}
    </Panel>
  );
}

function Reason({ reason: { code, status, what, since, remedy } }: { reason: HealthReason }) {
  const place = findPlace(code);
  return (
    <li className={classes.reason} data-status={status}>
      <Group gap="xs" align="baseline">
        <Text size="sm" fw={600}>
          {what}
        </Text>
        <Code>{code}</Code>
        {since && (
          <Text size="xs" c="dimmed" component="span">
            since <TimeAgo at={since} />
          </Text>
        )}
      </Group>
      <Text size="sm" mt={2}>
        {remedy}{" "}
        {place && (
          <Anchor component={Link} to={place.path} size="sm" underline="always">
            {place.name}
          </Anchor>
        )}
      </Text>
    </li>
  );
}
