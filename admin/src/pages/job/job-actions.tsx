import type { Job } from "#core/admin/contract/jobs.ts";
import { idsFor, type JobVerb } from "../../api/change-jobs.ts";
import { useAction } from "../../api/use-action.ts";
import { ActionButton } from "../../components/action-button.tsx";
import { useConfirm } from "../../components/confirm.tsx";

const words = {
  retry: {
    label: "Retry",
    refused: "Only a job that failed, is dead or was cancelled can be retried.",
    done: "The job is due again.",
    inAttempt: "The job is due again.",
    unchanged: "The job has changed meanwhile and was left as it is.",
    body: "It is tried from the start, at once; its history stays.",
  },
  cancel: {
    label: "Cancel",
    refused: "A finished job cannot be cancelled.",
    done: "The job is cancelled.",
    inAttempt: "The job is cancelled when the attempt under way ends.",
    unchanged: "The job has changed meanwhile and was left as it is.",
    body: "What it was to bring is not applied. It can be retried later.",
  },
} as const;

export function JobActions({ job }: { job: Job }) {
  return (
    <>
      <ChangeJob action="retry" job={job} />
      <ChangeJob action="cancel" job={job} />
    </>
  );
}

function ChangeJob({ action, job }: { action: JobVerb; job: Job }) {
  const confirm = useConfirm();
  const { label, refused, done, inAttempt, unchanged, body } = words[action];
  const change = useAction({
    run: (client) => client.post<{ changed: number }>(`/jobs/${action}`, { ids: [job.id] }),
    done: ({ changed }) => (changed === 0 ? unchanged : job.status === "PROCESSING" ? inAttempt : done),
  });
  const ask = async () => {
    const isDangerous = action === "cancel";
    if (await confirm({ title: `${label} this job?`, body, action: `${label} it`, isDangerous }))
      change.mutate(undefined);
  };
  const refusal = idsFor(action, [job]).length === 0 ? refused : alreadyAsked(action, job);
  return (
    <ActionButton onClick={() => void ask()} loading={change.isPending} refusal={refusal}>
      {label}
    </ActionButton>
  );
}

function alreadyAsked(action: JobVerb, { cancel_requested_at }: Job): string | null {
  if (action !== "cancel" || cancel_requested_at === null) return null;
  return "It is being cancelled: the attempt under way ends first.";
}
