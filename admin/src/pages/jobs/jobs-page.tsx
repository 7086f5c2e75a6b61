import { Text } from "@mantine/core";
import { useMemo, useState } from "react";
import type { JobFilter, JobPage } from "#core/admin/contract/jobs.ts";
import { usePages } from "../../api/use-reading.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { LoadMore } from "../../components/load-more.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { useFilters } from "../../components/use-filters.ts";
import { ActionBar } from "./action-bar.tsx";
import { filterNames, toJobFilter } from "./job-filter.ts";
import { JobFilters } from "./job-filters.tsx";
import { JobsTable } from "./jobs-table.tsx";
import { StatusTabs } from "./status-tabs.tsx";

const none: ReadonlySet<string> = new Set();

/** All jobs, newest first; what is filtered by stands in the address. */
export function JobsPage() {
  const [filters, change] = useFilters(filterNames);
  const filter = useMemo(() => toJobFilter(filters, Date.now()), [filters]);
  const [selected, select] = useState(none);
  const changeFilters = (changes: Parameters<typeof change>[0]) => {
    select(none);
    change(changes);
  };
  return (
    <>
      <PageHeader name="Jobs" title="Jobs" about="The work owed for each event, and what became of it; newest first." />
      <StatusTabs filter={filter} onChange={(status) => changeFilters({ status })} />
      <JobFilters filters={filters} change={changeFilters} />
      <JobsList filter={filter} selected={selected} select={select} />
    </>
  );
}

type ListProps = {
  filter: JobFilter;
  selected: ReadonlySet<string>;
  select: (ids: ReadonlySet<string>) => void;
};

function JobsList({ filter, selected, select }: ListProps) {
  const pages = usePages<JobPage>("/jobs", filter);
  return (
    <Reading of={pages}>
      {(data) => {
        const jobs = data.pages.flatMap((page) => page.jobs);
        if (jobs.length === 0 && !pages.hasNextPage) return <Nothing filter={filter} />;
        const chosen = jobs.filter(({ id }) => selected.has(id));
        return (
          <div>
            <ActionBar filter={filter} selected={chosen} onDone={() => select(none)} />
            {jobs.length === 0 && (
              <Text size="sm" mb="xs">
                None of the jobs looked at so far matches. Load more to look further back.
              </Text>
            )}
            <JobsTable jobs={jobs} selected={selected} select={select} />
            <LoadMore of={pages} shown={jobs.length} />
          </div>
        );
      }}
    </Reading>
  );
}

function Nothing({ filter }: { filter: JobFilter }) {
  if (Object.keys(filter).length > 0) {
    return (
      <EmptyState title="No job matches">
        Take out a filter, or look further back. A search finds whole ids and whole email addresses; finished jobs are
        purged after RETENTION_DAYS.
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No job yet">
      A job comes with each event of Clerk's. If users have signed up and nothing is here, Clerk does not reach the
      webhook: run clerk-sync doctor.
    </EmptyState>
  );
}
