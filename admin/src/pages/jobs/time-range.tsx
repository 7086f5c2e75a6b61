import { useState } from "react";
import { FilterChoice } from "../../components/filter-choice.tsx";
import { FilterInput } from "../../components/filter-input.tsx";
import { sinceChoices } from "../../since.ts";
import type { FilterName, JobFilters } from "./job-filter.ts";
import { fromLocal, toLocal } from "./local-time.ts";

type Props = {
  filters: Pick<JobFilters, "since" | "until">;
  change: (changes: Partial<Record<FilterName, string | null>>) => void;
};

const custom = "custom";
const choices = [...sinceChoices, { value: custom, label: "From … to …" }];

/** When the jobs were received: so far back, or a range of one's own. */
export function TimeRange({ filters: { since, until }, change }: Props) {
  const [isAsked, setAsked] = useState(false);
  const isPreset = since === undefined || sinceChoices.some(({ value }) => value === since);
  const isCustom = isAsked || !isPreset || until !== undefined;
  const choose = (value: string | null) => {
    setAsked(value === custom);
    if (value !== custom) change({ since: value, until: null });
  };
  return (
    <>
      <FilterChoice
        label="Received"
        all="As far as kept"
        data={choices}
        value={isCustom ? custom : since}
        onChange={choose}
      />
      {isCustom && <OwnRange filters={{ ...(since && { since }), ...(until && { until }) }} change={change} />}
    </>
  );
}

function OwnRange({ filters: { since, until }, change }: Props) {
  const now = Date.now();
  return (
    <>
      <FilterInput
        type="datetime-local"
        label="From"
        value={toLocal(since, now)}
        onChange={(local) => change({ since: fromLocal(local) })}
      />
      <FilterInput
        type="datetime-local"
        label="Before"
        value={toLocal(until, now)}
        onChange={(local) => change({ until: fromLocal(local) })}
      />
    </>
  );
}
