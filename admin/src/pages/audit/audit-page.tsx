import { useMemo } from "react";
import type { AuditPage as Page } from "#core/admin/contract/overview.ts";
import { usePages } from "../../api/use-reading.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { LoadMore } from "../../components/load-more.tsx";
import { PageHeader } from "../../components/page-header.tsx";
import { Reading } from "../../components/reading.tsx";
import { useFilters } from "../../components/use-filters.ts";
import { readSince } from "../../since.ts";
import { AuditFilters } from "./audit-filters.tsx";
import { AuditTable } from "./audit-table.tsx";
import { filterNames } from "./filter-names.ts";

/** What was refused, was odd, or was done by hand; newest first. */
export function AuditPage() {
  const [filters, change] = useFilters(filterNames);
  const since = useMemo(() => readSince(filters.since, Date.now()), [filters.since]);
  const pages = usePages<Page>("/audit", { ...filters, since });
  const isFiltered = Object.keys(filters).length > 0;
  return (
    <>
      <PageHeader
        name="Audit"
        title="Audit"
        about="What was refused, what was odd, and what people did by hand, with who and when."
      />
      <AuditFilters filters={filters} change={change} />
      <Reading of={pages}>
        {(data) => {
          const entries = data.pages.flatMap((page) => page.entries);
          if (entries.length === 0) return <Nothing isFiltered={isFiltered} />;
          return (
            <div>
              <AuditTable entries={entries} />
              <LoadMore of={pages} shown={entries.length} />
            </div>
          );
        }}
      </Reading>
    </>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <EmptyState title="Nothing matches">Take out a filter, or look further back.</EmptyState>;
  return (
    <EmptyState title="Nothing was recorded yet">
      Refused deliveries, jobs changed by hand, unusual bursts and what operators do appear here.
    </EmptyState>
  );
}
