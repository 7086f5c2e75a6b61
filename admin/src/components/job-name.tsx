import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";
import type { JobSummary } from "#core/admin/contract/jobs.ts";
import { sourceWords, typeWords } from "../job-words.ts";

type Props = { job: JobSummary; linkClass?: string | undefined };

/** What a job is about, leading to it, and where it came from. */
export function JobName({ job: { id, job_type, source }, linkClass = "" }: Props) {
  return (
    <>
      <Anchor component={Link} to={`/jobs/${id}`} size="sm" className={linkClass} underline="hover">
        {typeWords[job_type]}
      </Anchor>
      <Text size="xs" c="dimmed">
        {sourceWords[source] ?? source}
      </Text>
    </>
  );
}
