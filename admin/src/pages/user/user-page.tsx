import { Anchor, Stack } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import type { User } from "#core/admin-users-contract.ts";
import { useReading } from "../../api/use-reading.ts";
import { Copyable } from "../../components/copyable.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { PlacesPanel } from "./places-panel.tsx";
import { RevealUser } from "./reveal-user.tsx";
import { StatePanel } from "./state-panel.tsx";
import { UserJobs } from "./user-jobs.tsx";
import { VerdictPanel } from "./verdict-panel.tsx";

/** Clerk and Supabase Auth are asked each time; both count their calls. */
const refreshMilliseconds = 15_000;

/** One user: what keeps them out of step, the three places side by side, and everything that happened. */
export function UserPage() {
  const { clerkId = "" } = useParams();
  const reading = useReading<User>(`/users/${encodeURIComponent(clerkId)}`, {}, { every: refreshMilliseconds });
  const [revealed, setRevealed] = useState<User | null>(null);
  return (
    <>
      <PageHeader
        name="User"
        title="User"
        about={
          <Stack gap={2} align="flex-start">
            <Copyable value={clerkId} what="Clerk id" />
            <Anchor component={Link} to="/users" size="sm">
              All users
            </Anchor>
          </Stack>
        }
      >
        <RevealUser clerkId={clerkId} onRevealed={setRevealed} />
      </PageHeader>
      <Reading of={reading}>
        {(user) => (
          <Stack gap="md">
            <VerdictPanel user={user} />
            <PlacesPanel user={revealed?.clerk_id === clerkId ? revealed : user} />
            <UserJobs jobs={user.jobs} />
            <StatePanel state={user.state} />
          </Stack>
        )}
      </Reading>
    </>
  );
}
