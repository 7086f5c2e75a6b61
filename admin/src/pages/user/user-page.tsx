import { Anchor, Stack } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import type { User } from "#core/admin/contract/users.ts";
import { useReading } from "../../api/use-reading.ts";
import { Copyable } from "../../components/copyable.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { type Acted, lookAgainIn } from "./look-again.ts";
import { isStillCurrent } from "./place-words.ts";
import { PlacesPanel } from "./places-panel.tsx";
import { RevealUser } from "./reveal-user.tsx";
import { StatePanel } from "./state-panel.tsx";
import { UnlinkedRow } from "./unlinked-row.tsx";
import { UserJobs } from "./user-jobs.tsx";
import { VerdictPanel } from "./verdict-panel.tsx";

/** One user: the verdict, the three places side by side, and everything that happened. */
export function UserPage() {
  const { clerkId = "" } = useParams();
  return <OneUser key={clerkId} clerkId={clerkId} />;
}

function OneUser({ clerkId }: { clerkId: string }) {
  const [acted, setActed] = useState<Acted | null>(null);
  const { data, error, refetch } = useReading<User>(
    `/users/${encodeURIComponent(clerkId)}`,
    {},
    { every: (answer) => lookAgainIn(answer?.verdict, acted, Date.now()) },
  );
  const [revealed, setRevealed] = useState<User | null>(null);
  // What was read of another user stays in `data` until the answer is there; it must not stand under this id.
  const user = data?.clerk_id === clerkId ? data : undefined;
  const shown = revealed !== null && user !== undefined && isStillCurrent(revealed, user) ? revealed : null;
  return (
    <>
      <PageHeader name="User" title="User" about={<About clerkId={clerkId} />}>
        <RevealUser clerkId={clerkId} isRevealed={shown !== null} onRevealed={setRevealed} />
      </PageHeader>
      <Reading of={{ data: user, error, refetch }}>
        {(read) => (
          <Stack gap="md">
            <VerdictPanel user={read} onActed={() => setActed({ at: Date.now(), code: read.verdict.code })} />
            <UnlinkedRow note={read.unlinked_note} />
            <PlacesPanel user={shown ?? read} />
            <UserJobs jobs={read.jobs} />
            <StatePanel user={read} />
          </Stack>
        )}
      </Reading>
    </>
  );
}

function About({ clerkId }: { clerkId: string }) {
  return (
    <Stack gap={2} align="flex-start">
      <Copyable value={clerkId} what="Clerk id" />
      <Anchor component={Link} to="/users" size="sm">
        All users
      </Anchor>
    </Stack>
  );
}
