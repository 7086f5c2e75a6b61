import { Button, Group } from "@mantine/core";
import { FilterChoice } from "../../components/filter-choice.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import { sourceWords, typeWords } from "../../job-words.ts";
import { sinceChoices } from "../../since.ts";
import { type FilterName, type JobFilters as Filters, filterNames } from "./job-filter.ts";

type Props = { filters: Filters; change: (changes: Partial<Record<FilterName, string | null>>) => void };

const types = Object.entries(typeWords).map(([value, label]) => ({ value, label }));
const sources = Object.entries(sourceWords).map(([value, label]) => ({ value, label }));
const nothing = Object.fromEntries(filterNames.map((name) => [name, null]));

export function JobFilters({ filters, change }: Props) {
  return (
    <Group gap="sm" align="flex-end" mb="md" component="search" aria-label="Filters">
      <FilterInput
        label="Search"
        placeholder="Clerk id, email, event id or job id"
        value={filters.q}
        onChange={(q) => change({ q })}
        w={280}
      />
      <KindFilters filters={filters} change={change} />
      <TimeFilters filters={filters} change={change} />
      {Object.keys(filters).length > 0 && (
        <Button variant="subtle" size="xs" onClick={() => change(nothing)}>
          Take out all filters
        </Button>
      )}
    </Group>
  );
}

function KindFilters({ filters, change }: Props) {
  const { job_type, source, code, clerk_id } = filters;
  return (
    <>
      <FilterChoice
        label="Type"
        all="Every type"
        data={types}
        value={job_type}
        onChange={(value) => change({ job_type: value })}
      />
      <FilterChoice
        label="Source"
        all="Every source"
        data={sources}
        value={source}
        onChange={(value) => change({ source: value })}
      />
      <FilterInput
        label="Error code"
        placeholder="auth_unavailable"
        value={code}
        onChange={(value) => change({ code: value })}
      />
      <FilterInput
        label="User"
        placeholder="user_…"
        value={clerk_id}
        onChange={(value) => change({ clerk_id: value })}
      />
    </>
  );
}

function TimeFilters({ filters: { since, until }, change }: Props) {
  return (
    <>
      <FilterChoice
        label="Received"
        all="As far as kept"
        data={sinceChoices}
        value={since}
        onChange={(value) => change({ since: value })}
      />
      <FilterInput
        label="Before"
        placeholder="24h, 7d or a time"
        value={until}
        onChange={(value) => change({ until: value })}
      />
    </>
  );
}
