import { Anchor, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import type { Drive } from "../../api/drive.ts";
import { Panel } from "../../components/panel.tsx";
import { formatCount } from "../../format-time.ts";
import { countWords } from "./run-words.ts";

/** Who the run of this tab found out of step. They are not kept: only the counts of a run are. */
export function Differences({ drive: { differences, more, isDriving, applies } }: { drive: Drive }) {
  if (differences.length === 0) {
    return isDriving ? null : <Text size="sm">No differences were found by the run of this tab.</Text>;
  }
  return (
    <Panel title={`Differences found (${formatCount(differences.length + more)})`}>
      <Text size="sm" c="dimmed">
        {applies ? "Each is in the queue now. " : "Nothing was changed. "}
        They are shown in this tab only; the run keeps their counts.
        {more > 0 && ` The first ${formatCount(differences.length)} are shown.`}
      </Text>
      <div className="table-scroll">
        <Table aria-label="Differences">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>User</Table.Th>
              <Table.Th>Kind</Table.Th>
              <Table.Th visibleFrom="sm">Fields</Table.Th>
              <Table.Th visibleFrom="sm">Meaning</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {differences.map(({ clerk_id, kind, fields }) => (
              <Table.Tr key={`${clerk_id} ${kind}`}>
                <Table.Td className="ids">
                  <Anchor component={Link} to={`/users/${encodeURIComponent(clerk_id)}`} inherit>
                    {clerk_id}
                  </Anchor>
                  <Text size="xs" c="dimmed" ff="text" hiddenFrom="sm">
                    {[countWords[kind], fields.join(", ")].filter(Boolean).join(": ")}
                  </Text>
                </Table.Td>
                <Table.Td>{kind}</Table.Td>
                <Table.Td visibleFrom="sm">{fields.join(", ") || "–"}</Table.Td>
                <Table.Td c="dimmed" visibleFrom="sm">
                  {countWords[kind] ?? ""}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}
