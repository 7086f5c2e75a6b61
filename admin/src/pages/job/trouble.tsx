import { Alert, Text } from "@mantine/core";
import type { Job } from "#core/admin-jobs-contract.ts";
import { explainError } from "../../components/error-remedy.ts";
import { TimeAgo } from "../../components/time.tsx";

/** What keeps the job from its end, in words, and what to do; nothing when all is well. */
export function Trouble({ job }: { job: Job }) {
  const { status, error, waits_for, cancel_requested_at } = job;
  if (cancel_requested_at !== null) {
    return (
      <Alert color="orange" title="It is being cancelled">
        <Text size="sm">
          Asked for <TimeAgo at={cancel_requested_at} />. The attempt under way ends first; it is not tried again.
        </Text>
      </Alert>
    );
  }
  if (waits_for !== null) {
    return (
      <Alert color="orange" title={`It waits for ${waits_for === "auth" ? "Supabase Auth" : "Clerk's API"}`}>
        Calls there are paused because they failed. Nothing is lost: the job goes on when they work again.
      </Alert>
    );
  }
  if (error === null && status !== "DEAD") return null;
  return <Failure job={job} />;
}

function Failure({ job: { status, error, run_at } }: { job: Job }) {
  const { what, remedy } = explainError(error ?? "");
  return (
    <Alert color={status === "DEAD" ? "red" : "orange"} title={what}>
      <Text size="sm">
        {remedy} {status === "FAILED" && <AgainAt at={run_at} />}
      </Text>
      {error !== null && (
        <Text size="sm" className="ids" mt={4}>
          {error}
        </Text>
      )}
    </Alert>
  );
}

function AgainAt({ at }: { at: string }) {
  return (
    <>
      It is tried again by itself <TimeAgo at={at} />.
    </>
  );
}
