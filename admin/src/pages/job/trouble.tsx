import { Alert, Anchor, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Job } from "#core/admin/contract/jobs.ts";
import { explainError } from "../../components/error-remedy.ts";
import { nameService } from "../../components/reset-circuit.tsx";
import { TimeAgo } from "../../components/time.tsx";

/** What keeps the job from its end, in words, and what to do; nothing when all is well. */
export function Trouble({ job }: { job: Job }) {
  const { status, error, waits_for, cancel_requested_at } = job;
  if (cancel_requested_at !== null) {
    return (
      <Alert color="orange" title="It is being cancelled" role="status">
        <Text size="sm">
          Asked for <TimeAgo at={cancel_requested_at} />. The attempt under way ends first; it is not tried again.
        </Text>
      </Alert>
    );
  }
  if (waits_for !== null) {
    return (
      <Alert color="orange" title={`It waits for ${nameService(waits_for)}`} role="status">
        Calls there are paused because they failed. Nothing is lost: the job goes on when they work again.{" "}
        <Anchor component={Link} to="/#circuits" size="sm">
          See since when and why
        </Anchor>
      </Alert>
    );
  }
  if (error === null && status !== "DEAD") return null;
  return <Failure job={job} />;
}

function Failure({ job: { status, error, run_at } }: { job: Job }) {
  const { what, remedy } = explainError(error ?? "");
  return (
    <Alert color={status === "DEAD" ? "red" : "orange"} title={what} role={status === "DEAD" ? "alert" : "status"}>
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
