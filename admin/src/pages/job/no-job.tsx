import { EmptyState } from "../../components/empty-state.tsx";

/** What to do about an address that leads to no job. */
export function NoJob({ id }: { id: string }) {
  return (
    <EmptyState title="There is no such job">
      No job has the id <span className="ids">{id}</span>. Finished jobs are purged after RETENTION_DAYS; what became of
      their user still shows: search for the Clerk id or the email above. If the id was copied, see whether all of it is
      there.
    </EmptyState>
  );
}
