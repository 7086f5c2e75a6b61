import { Alert, Anchor, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import type { User } from "#core/admin-users-contract.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { Icon } from "../../components/icon.tsx";
import { canRetry } from "./can-retry.ts";

/** Whether the user is in step; if not, why, and the button that mends it. */
export function VerdictPanel({ user }: { user: User }) {
  const { verdict } = user;
  return (
    <Alert
      component="section"
      aria-label="Verdict"
      color={verdict.in_step ? "teal" : "orange"}
      icon={<Icon name={verdict.in_step ? "check" : "warning"} />}
      title={verdict.in_step ? "In step" : verdict.what}
    >
      <Text size="sm">{verdict.in_step ? verdict.what : verdict.remedy}</Text>
      <Group gap="xs" mt="sm">
        {verdict.job_id !== null && canRetry(user) && <RetryJob jobId={verdict.job_id} />}
        <Resync clerkId={user.clerk_id} />
        {verdict.job_id !== null && (
          <Anchor component={Link} to={`/jobs/${verdict.job_id}`} size="sm">
            The job that tells more
          </Anchor>
        )}
      </Group>
    </Alert>
  );
}

function RetryJob({ jobId }: { jobId: string }) {
  const retry = useAction({
    run: (client) => client.post<{ changed: number }>("/jobs/retry", { ids: [jobId] }),
    done: ({ changed }) =>
      changed === 0 ? "The job has changed meanwhile and was left as it is." : "The job is due again.",
  });
  return (
    <ActionButton onClick={() => retry.mutate(undefined)} loading={retry.isPending}>
      Retry the job
    </ActionButton>
  );
}

function Resync({ clerkId }: { clerkId: string }) {
  const resync = useAction({
    run: (client) => client.post<{ requested: number }>(`/users/${encodeURIComponent(clerkId)}/resync`),
    done: () => "The user is read again from Clerk, at once.",
  });
  return (
    <ActionButton onClick={() => resync.mutate(undefined)} loading={resync.isPending}>
      Resync from Clerk
    </ActionButton>
  );
}
