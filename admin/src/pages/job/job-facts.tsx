import { Anchor } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Job } from "#core/admin/contract/jobs.ts";
import { Copyable } from "../../components/copyable.tsx";
import { FactList } from "../../components/fact-list.tsx";
import { ExactTime, TimeAgo } from "../../components/time.tsx";
import { sourceWords } from "../../job-words.ts";

/** What the job is, who it is about, and its times. */
export function JobFacts({ job }: { job: Job }) {
  const { id, clerk_id, event_id, source, attempts, max_attempts, created_at } = job;
  return (
    <FactList
      columns={3}
      facts={[
        ["User", clerk_id === null ? "none is named" : <UserLink key="user" clerkId={clerk_id} />],
        ["Job id", <Copyable key="id" value={id} what="job id" />],
        ["Event id", event_id === null ? "–" : <Copyable key="event" value={event_id} what="event id" />],
        ["Source", sourceWords[source] ?? source],
        ["Attempts", `${attempts} of ${max_attempts}`],
        ["Received", <BothTimes key="received" at={created_at} />],
        nextTime(job),
      ]}
    />
  );
}

/** The time that matters in the job's status: when it is due, given up by its worker, or when it ended. */
function nextTime({ status, run_at, lease_until, processed_at, history }: Job): readonly [string, ReactNode] {
  if (status === "PENDING" || status === "FAILED") return ["Due", <BothTimes key="due" at={run_at} />];
  if (status === "PROCESSING") return ["Lease until", <BothTimes key="lease" at={lease_until} />];
  // A dead letter that is cancelled keeps the time at which it died as processed_at.
  const cancelled = history.findLast((entry) => entry.status === "CANCELLED");
  const ended = status === "CANCELLED" ? (cancelled?.at ?? processed_at) : processed_at;
  return ["Ended", <BothTimes key="ended" at={ended} />];
}

function BothTimes({ at }: { at: string | null }) {
  if (at === null) return "–";
  return (
    <>
      <ExactTime at={at} />, <TimeAgo at={at} />
    </>
  );
}

/** The link to the user, and a button that copies the Clerk id. */
function UserLink({ clerkId }: { clerkId: string }) {
  return (
    <Copyable what="Clerk id" value={clerkId}>
      <Anchor component={Link} to={`/users/${encodeURIComponent(clerkId)}`} inherit>
        {clerkId}
      </Anchor>
    </Copyable>
  );
}
