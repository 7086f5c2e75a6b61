import { Text } from "@mantine/core";
import type { UserState } from "#core/admin-users-contract.ts";
import { FactList } from "../../components/fact-list.tsx";
import { Panel } from "../../components/panel.tsx";
import { ExactTime } from "../../components/time.tsx";

/** What the sync remembers of the user. */
export function StatePanel({ state }: { state: UserState | null }) {
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
          ["Auth user id", state.auth_user_id ?? "–"],
          ["Deleted", <ExactTime key="deleted" at={state.deleted_at} />],
          ["Read again from Clerk", <ExactTime key="refresh" at={state.refresh_due_at} />],
          ["Why", state.refresh_reason ?? "–"],
        ]}
      />
    </Panel>
  );
}

/** A version is Clerk's updated_at in milliseconds. */
function Version({ version }: { version: number | null }) {
  return <ExactTime at={version === null || version === 0 ? null : new Date(version).toISOString()} />;
}
