import { Anchor, Button, Group } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { User } from "#core/admin/contract/users.ts";
import { ResetCircuit } from "../../components/reset-circuit.tsx";
import { canRetry } from "./can-retry.ts";
import { Resync, ResyncBoth, RetryJob } from "./user-actions.tsx";
import { findElsewhere } from "./verdict-look.ts";

type Props = { user: User; onActed: () => void };

/** The buttons for the verdict, the one that fixes it first, and links to more. */
export function Remedies({ user, onActed }: Props) {
  const { code, in_step, job_id, other_clerk_id: other } = user.verdict;
  const elsewhere = findElsewhere(code);
  const retries = job_id !== null && canRetry(user);
  const waitsFor = code === "circuit_open" ? findWaited(user) : null;
  const isResyncFirst = !in_step && !retries && waitsFor === null && other === null && !elsewhere?.isFirst;
  return (
    <Group gap="xs" mt="sm">
      {elsewhere?.isFirst && (
        <Button component={Link} to={elsewhere.to} size="xs">
          {elsewhere.text}
        </Button>
      )}
      {retries && <RetryJob jobId={job_id} onActed={onActed} />}
      {other !== null && <ResyncBoth user={user} holder={other} onActed={onActed} />}
      <Resync user={user} isFirst={isResyncFirst} onActed={onActed} />
      {waitsFor !== null && (
        <ResetCircuit name={waitsFor} onDone={onActed}>
          Reset the circuit
        </ResetCircuit>
      )}
      {job_id !== null && <PageLink to={`/jobs/${job_id}`}>The job that tells more</PageLink>}
      {elsewhere?.isFirst === false && <PageLink to={elsewhere.to}>{elsewhere.text}</PageLink>}
      {other !== null && <PageLink to={`/users/${encodeURIComponent(other)}`}>Open {other}</PageLink>}
    </Group>
  );
}

/** The circuit that the job of the verdict waits for. */
function findWaited({ verdict, jobs }: User): string | null {
  return jobs.find(({ id }) => id === verdict.job_id)?.waits_for ?? null;
}

function PageLink({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={to} size="sm" style={{ overflowWrap: "anywhere" }}>
      {children}
    </Anchor>
  );
}
