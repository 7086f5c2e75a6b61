import { Alert, Text } from "@mantine/core";
import type { User } from "#core/admin/contract/users.ts";
import { Icon } from "../../components/icon.tsx";
import { Remedies } from "./remedies.tsx";
import { lookOf, withReadableTimes } from "./verdict-look.ts";

type Props = { user: User /** Called when something was done about it. */; onActed: () => void };

/** Whether the user is in sync; if not, why, and the button that fixes it. */
export function VerdictPanel({ user, onActed }: Props) {
  const { verdict } = user;
  const { icon, color, role } = lookOf(verdict);
  return (
    <Alert component="section" role={role} color={color} icon={<Icon name={icon} />} title={verdict.title}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {withReadableTimes(verdict.what)}
      </Text>
      <Text size="sm" mt={4} style={{ overflowWrap: "anywhere" }}>
        <strong>What to do:</strong> {withReadableTimes(verdict.remedy)}
      </Text>
      <Remedies user={user} onActed={onActed} />
    </Alert>
  );
}
