import { Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { User, UserState } from "#core/admin/contract/users.ts";
import { FactList } from "../../components/fact-list.tsx";
import { Panel } from "../../components/panel.tsx";
import { ExactTime } from "../../components/time.tsx";
import { formatVersion } from "../../format-time.ts";

type Fact = readonly [string, ReactNode];

/** What the sync remembers of the user. */
export function StatePanel({ user: { state, ignored_note } }: { user: User }) {
  if (state === null) {
    return (
      <Panel title="What the sync remembers">
        <Text size="sm">Nothing: no event of this user was applied yet.</Text>
      </Panel>
    );
  }
  return (
    <Panel title="What the sync remembers">
      <FactList
        facts={[
          ["Newest change applied", <Version key="version" version={state.version} />],
          ["Applied", <ExactTime key="synced" at={state.synced_at} />],
          ["Newest change in Auth", <Version key="mirrored" version={state.mirrored_version} />],
          ["Auth user id", <AuthUserId key="auth" id={state.auth_user_id} />],
          ...factsOfDeletion(state),
          ...factsOfRefresh(state),
          ...(ignored_note === null ? [] : [["Ignored", ignored_note] as const]),
        ]}
      />
    </Panel>
  );
}

function AuthUserId({ id }: { id: string | null }) {
  return id === null ? "none yet" : <span className="ids">{id}</span>;
}

function factsOfDeletion({ deleted_at }: UserState): Fact[] {
  return deleted_at === null ? [] : [["Deleted at Clerk", <ExactTime key="deleted" at={deleted_at} />]];
}

function factsOfRefresh({ refresh_due_at, refresh_reason }: UserState): Fact[] {
  if (refresh_due_at === null) return [];
  const due: Fact = ["To be read again from Clerk", <ExactTime key="refresh" at={refresh_due_at} />];
  return [due, ["Why it is read again", refresh_reason ?? "–"]];
}

/** A version is Clerk's updated_at in milliseconds. */
function Version({ version }: { version: number | null }) {
  return <ExactTime at={version === null || version === 0 ? null : formatVersion(version)} />;
}
