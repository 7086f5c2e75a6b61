export const filterNames = ["kind", "source", "subject", "since"] as const;
export type FilterName = (typeof filterNames)[number];

/** The kinds of entries, and what they mean. Source: docs/health.md. */
export const kindWords: Readonly<Record<string, string>> = {
  operator_action: "done by an operator",
  delivery_refused: "delivery refused",
  instance_unknown: "event of another Clerk instance",
  sample_event: "sample event of the dashboard",
  job_edited: "jobs changed past the sync",
  burst: "unusually many events",
  flapping_user: "very many events of one user",
};
