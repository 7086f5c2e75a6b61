import { Alert, Anchor, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Job } from "#core/admin/contract/jobs.ts";
import { TimeAgo } from "../../components/time.tsx";

/** What keeps the job from its end, and what to do about it; nothing when all is well. */
export function Trouble({ job }: { job: Job }) {
  const { status, error, trouble, waits_for } = job;
  if (trouble === null) return null;
  const isDead = status === "DEAD";
  return (
    <Alert color={isDead ? "red" : "orange"} title={trouble.what} role={isDead ? "alert" : "status"}>
      <Text size="sm">
        {trouble.remedy} {status === "FAILED" && waits_for === null && <NextAttempt job={job} />}
      </Text>
      {waits_for !== null && (
        <Anchor component={Link} to="/#circuits" size="sm">
          See since when and why
        </Anchor>
      )}
      {error !== null && (
        <Text size="sm" className="ids" mt={4}>
          {error}
        </Text>
      )}
    </Alert>
  );
}

function NextAttempt({ job: { run_at } }: { job: Job }) {
  return (
    <>
      The next attempt is due <TimeAgo at={run_at} />.
    </>
  );
}
