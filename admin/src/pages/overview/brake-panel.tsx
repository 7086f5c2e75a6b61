import { Anchor, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Brake } from "#core/admin/contract/overview.ts";
import type { Client } from "../../api/client.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { type Question, useConfirm } from "../../components/confirm.tsx";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { TimeAgo } from "../../components/time.tsx";
import { countOf } from "../../count-words.ts";

type Decision = "apply" | "cancel";
type Released = { changed: number; left?: number };

/** Unusually many deletions wait here until a person decides about them. */
export function BrakePanel({ brake }: { brake: Brake }) {
  const isEngaged = brake.engaged_at !== null || brake.waiting > 0;
  return (
    <Panel title="Delete brake" id="brake" aside={isEngaged ? <StatusBadge status="engaged" /> : undefined}>
      <Text size="sm" c="dimmed">
        When unusually many users are deleted at once, the deletions wait until a person has decided.
      </Text>
      {isEngaged ? <Waiting brake={brake} /> : <Text size="sm">It is off: no deletion waits.</Text>}
      {!isEngaged && brake.released_at && (
        <Text size="sm" c="dimmed" component="div">
          last released <TimeAgo at={brake.released_at} />
        </Text>
      )}
    </Panel>
  );
}

function Waiting({ brake: { waiting, reason, engaged_at } }: { brake: Brake }) {
  return (
    <>
      <Text size="sm" component="div">
        <Anchor component={Link} underline="always" to="/jobs?status=PENDING&job_type=USER_DELETED&code=delete_brake">
          {countOf(waiting, "deletion waits", "deletions wait")}
        </Anchor>{" "}
        since <TimeAgo at={engaged_at} />
        {reason && `: ${reason}`}
      </Text>
      <Group gap="xs">
        <Release decision="cancel" waiting={waiting} />
        <Release decision="apply" waiting={waiting} />
      </Group>
    </>
  );
}

function Release({ decision, waiting }: { decision: Decision; waiting: number }) {
  const confirm = useConfirm();
  const release = useAction({
    run: (client) => releaseAll(client, decision),
    done: (changed) => tellReleased(decision, changed),
  });
  const ask = async () => {
    if (await confirm(questions[decision](waiting))) release.mutate(undefined);
  };
  const isApply = decision === "apply";
  return (
    <ActionButton
      onClick={() => void ask()}
      loading={release.isPending}
      {...(isApply ? { color: "red", variant: "light" } : {})}
    >
      {isApply ? "Apply the deletions …" : "Cancel the deletions …"}
    </ActionButton>
  );
}

const questions: Readonly<Record<Decision, (waiting: number) => Question>> = {
  apply: (waiting) => ({
    title: "Delete these users?",
    body: `${countOf(waiting, "user is", "users are")} deleted here and in Supabase Auth. It cannot be taken back.`,
    action: `Delete ${countOf(waiting, "user", "users")}`,
    typed: `delete ${waiting}`,
    isDangerous: true,
  }),
  cancel: (waiting) => ({
    title: "Cancel these deletions?",
    body: `${countOf(waiting, "user stays", "users stay")}, though Clerk has deleted them. A compare finds them as extra and can delete them later.`,
    action: `Cancel ${countOf(waiting, "deletion", "deletions")}`,
  }),
};

function tellReleased(decision: Decision, changed: number): string {
  const applied = countOf(changed, "deletion is applied", "deletions are applied");
  const cancelled = countOf(changed, "deletion was cancelled", "deletions were cancelled");
  return `${decision === "apply" ? applied : cancelled}.`;
}

/** A call takes so many; called until none is left. */
async function releaseAll(client: Client, decision: Decision): Promise<number> {
  let total = 0;
  for (;;) {
    const { changed, left = 0 } = await client.post<Released>("/brake/release", { decision });
    total += changed;
    if (left === 0 || changed === 0) return total;
  }
}
