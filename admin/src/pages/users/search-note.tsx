import { Code, Text } from "@mantine/core";
import type { UserPage } from "#core/admin/contract/users.ts";

/** What the search left out, with the statement that lets the next one find by the first column. */
export function SearchNote({ search }: { search: UserPage["search"] }) {
  if (search === null || search.note === null) return null;
  const [first, ...others] = search.not_searched;
  return (
    <Text size="xs" c="dimmed" mb="sm" role="note" aria-label="What was not searched">
      {search.note}
      {first && (
        <>
          {others.length > 0 && ` For ${first.name}:`} <Code style={{ overflowWrap: "anywhere" }}>{first.remedy}</Code>
        </>
      )}
    </Text>
  );
}
