import { Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";
import { EmptyState } from "../../components/empty-state.tsx";
import { findTarget } from "../../components/shell/search-target.ts";

type Props = { q: string | undefined; show: string | undefined; onClear: () => void };

/** Why the list is empty, and how to get to the user all the same. */
export function NobodyFound({ q, show, onClear }: Props) {
  if (q === undefined && show === "deleted") {
    return (
      <EmptyState title="No user is deleted">A user who is deleted at Clerk is listed here from then on.</EmptyState>
    );
  }
  if (q === undefined) {
    return (
      <EmptyState title="No users yet">
        They come with Clerk's events. Those who signed up before come by a backfill:{" "}
        <Button component={Link} to="/reconcile" size="compact-xs" variant="default">
          Open Reconcile
        </Button>
      </EmptyState>
    );
  }
  const target = findTarget(q);
  return (
    <EmptyState title="Nobody is found">
      {target?.kind === "user" ? <OpenAllTheSame path={target.path} clerkId={q.trim()} /> : <HowToFind />}
      <Group justify="center" mt="sm">
        <Button size="xs" variant="default" onClick={onClear}>
          Show all users
        </Button>
      </Group>
    </EmptyState>
  );
}

function OpenAllTheSame({ path, clerkId }: { path: string; clerkId: string }) {
  return (
    <>
      <Text size="sm">
        Nothing of this Clerk id is stored here. Open the user all the same: Clerk is asked there, and a resync brings
        in somebody whose events never came.
      </Text>
      <Button component={Link} to={path} size="xs" mt="sm" maw="100%">
        Open {clerkId}
      </Button>
    </>
  );
}

function HowToFind() {
  return (
    <Text size="sm">
      A search finds a Clerk id, the beginning of one, a whole email, or the whole text of a mapped column that has an
      index. If no event of the user has come, only the Clerk id leads to them: copy it from Clerk's dashboard (Users,
      it begins with user_), search for it here and open the user; a resync brings them in.
    </Text>
  );
}
