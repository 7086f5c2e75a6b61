import { Button, Group } from "@mantine/core";
import { FilterChoice } from "../../components/filter-choice.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import type { Filters } from "../../filters.ts";
import { sinceChoices } from "../../since.ts";
import { type FilterName, filterNames, kindWords } from "./filter-names.ts";

type Props = {
  filters: Filters<FilterName>;
  change: (changes: Partial<Record<FilterName, string | null>>) => void;
};

const kinds = Object.entries(kindWords).map(([value, label]) => ({ value, label }));
const nothing = Object.fromEntries(filterNames.map((name) => [name, null]));

export function AuditFilters({ filters, change }: Props) {
  return (
    <Group gap="sm" align="flex-end" mb="md" component="search" aria-label="Filters">
      <FilterChoice
        label="Kind"
        all="Every kind"
        data={kinds}
        value={filters.kind}
        onChange={(kind) => change({ kind })}
      />
      <FilterChoice
        label="Since"
        all="As far as kept"
        data={sinceChoices}
        value={filters.since}
        onChange={(since) => change({ since })}
      />
      <FilterInput
        label="Source"
        placeholder="who, or an address"
        value={filters.source}
        onChange={(source) => change({ source })}
      />
      <FilterInput
        label="Subject"
        placeholder="user, job or instance"
        value={filters.subject}
        onChange={(subject) => change({ subject })}
      />
      {Object.keys(filters).length > 0 && (
        <Button variant="subtle" size="xs" onClick={() => change(nothing)}>
          Take out all filters
        </Button>
      )}
    </Group>
  );
}
