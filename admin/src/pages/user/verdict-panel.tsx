import { Alert, Anchor, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { User } from "#core/admin-users-contract.ts";
import { Icon } from "../../components/icon.tsx";
import { canRetry } from "./can-retry.ts";
import { Resync, RetryJob } from "./user-actions.tsx";
import { describeVerdict, findElsewhere, findOtherUsers, withReadableTimes } from "./verdict-words.ts";

/** Whether the user is in step; if not, why, and the button that mends it. */
export function VerdictPanel({ user }: { user: User }) {
  const { verdict } = user;
  const { title, icon, color } = describeVerdict(verdict);
  return (
    <Alert component="section" aria-label="Verdict" color={color} icon={<Icon name={icon} />} title={title}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {withReadableTimes(verdict.what)}
      </Text>
      <Text size="sm" mt={4} style={{ overflowWrap: "anywhere" }}>
        <strong>What to do:</strong> {withReadableTimes(verdict.remedy)}
      </Text>
      <Remedies user={user} />
    </Alert>
  );
}

function Remedies({ user }: { user: User }) {
  const { code, in_step, job_id } = user.verdict;
  const retries = job_id !== null && canRetry(user);
  const elsewhere = findElsewhere(code);
  const isResyncFirst = !in_step && !retries;
  return (
    <Group gap="xs" mt="sm">
      {retries && <RetryJob jobId={job_id} />}
      <Resync user={user} isFirst={isResyncFirst} />
      {job_id !== null && <PageLink to={`/jobs/${job_id}`}>The job that tells more</PageLink>}
      {elsewhere !== null && <PageLink to={elsewhere.to}>{elsewhere.text}</PageLink>}
      {findOtherUsers(user).map((id) => (
        <PageLink key={id} to={`/users/${encodeURIComponent(id)}`}>
          Open {id}
        </PageLink>
      ))}
    </Group>
  );
}

function PageLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={to} size="sm" style={{ overflowWrap: "anywhere" }}>
      {children}
    </Anchor>
  );
}
