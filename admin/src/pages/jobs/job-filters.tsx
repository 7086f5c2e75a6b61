import { Button, Group, Pill, Stack } from "@mantine/core";
import { FilterChoice } from "../../components/filter-choice.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import { sourceWords, typeWords } from "../../job-words.ts";
import { describeFilters } from "./filter-chips.ts";
import { type FilterName, type JobFilters as Filters, filterNames } from "./job-filter.ts";
import { TimeRange } from "./time-range.tsx";

type Props = { filters: Filters; change: (changes: Partial<Record<FilterName, string | null>>) => void };

const types = Object.entries(typeWords).map(([value, label]) => ({ value, label }));
const sources = Object.entries(sourceWords).map(([value, label]) => ({ value, label }));
const reachable = { "aria-hidden": false, tabIndex: 0 } as const;
const nothing = Object.fromEntries(filterNames.map((name) => [name, null]));

export function JobFilters({ filters, change }: Props) {
  return (
    <Stack component="search" gap="sm" mb="md" aria-label="Filters">
      <Group gap="sm" align="flex-end">
        <FilterInput
          label="Search"
          placeholder="Clerk id, email, event id or job id"
          value={filters.q}
          onChange={(q) => change({ q })}
          maxLength={255}
          w={{ base: 280, sm: 232 }}
        />
        <KindFilters filters={filters} change={change} />
        <TimeRange filters={filters} change={change} />
      </Group>
      <Chips filters={filters} change={change} />
    </Stack>
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
        w={{ base: 170, sm: 146 }}
        value={code}
        onChange={(value) => change({ code: value })}
        maxLength={80}
      />
      <FilterInput
        label="User"
        placeholder="user_…"
        w={{ base: 170, sm: 146 }}
        value={clerk_id}
        onChange={(value) => change({ clerk_id: value })}
        maxLength={255}
      />
    </>
  );
}

/** What is filtered by, in words. An address from elsewhere may filter by more than the fields show. */
function Chips({ filters, change }: Props) {
  const chips = describeFilters(filters, Date.now());
  if (chips.length === 0) return null;
  return (
    <Group gap={6} role="group" aria-label="Filtered by">
      {chips.map(({ name, label, value }) => (
        <Pill
          key={name}
          maw="100%"
          withRemoveButton
          onRemove={() => change({ [name]: null })}
          removeButtonProps={{ ...reachable, "aria-label": `Take out the filter ${label}` }}
        >
          {label}: {value}
        </Pill>
      ))}
      <Button variant="subtle" size="compact-xs" onClick={() => change(nothing)}>
        Take out all filters
      </Button>
    </Group>
  );
}
