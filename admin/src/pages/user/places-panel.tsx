import { Group, Table, Text } from "@mantine/core";
import type { ComparedField, Place, User } from "#core/admin-users-contract.ts";
import { Icon } from "../../components/icon.tsx";
import { Panel } from "../../components/panel.tsx";
import { formatTime } from "../../format-time.ts";
import { fieldWords, places, showValue } from "./place-words.ts";

/** What Clerk, the users table and Supabase Auth know of the user, side by side. */
export function PlacesPanel({ user }: { user: User }) {
  return (
    <Panel
      title="Side by side"
      aside={<Text size="xs">{user.is_revealed ? "revealed; it is in the audit" : "personal values are masked"}</Text>}
    >
      <div className="table-scroll">
        <Table miw={720} aria-label="Side by side" verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Field</Table.Th>
              {places.map(({ key, name }) => (
                <Table.Th key={key}>{name}</Table.Th>
              ))}
              <Table.Th>Same?</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            <Table.Tr>
              <Table.Th scope="row">Is there</Table.Th>
              {places.map(({ key }) => (
                <Table.Td key={key}>
                  <Presence place={user[key]} />
                </Table.Td>
              ))}
              <Table.Td />
            </Table.Tr>
            {Object.entries(fieldWords).map(([field, name]) => (
              <FieldRow key={field} user={user} field={field as ComparedField} name={name} />
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}

const stateWords: Readonly<Record<Place["state"], string>> = {
  present: "yes",
  absent: "no",
  unknown: "not known",
  off: "not looked at",
};

function Presence({ place: { state, reason, id } }: { place: Place }) {
  return (
    <>
      <Text size="sm" fw={600}>
        {stateWords[state]}
      </Text>
      {id !== null && (
        <Text size="xs" c="dimmed" className="ids">
          {id}
        </Text>
      )}
      {reason !== null && (
        <Text size="xs" c="dimmed">
          {reason}
        </Text>
      )}
    </>
  );
}

function FieldRow({ user, field, name }: { user: User; field: ComparedField; name: string }) {
  const differs = user.differences.includes(field);
  return (
    <Table.Tr {...(differs && { bg: "var(--mantine-color-orange-light)" })}>
      <Table.Th scope="row">{name}</Table.Th>
      {places.map(({ key }) => (
        <Table.Td key={key} style={{ overflowWrap: "anywhere" }}>
          {showValue(user[key], field, formatTime)}
        </Table.Td>
      ))}
      <Table.Td>
        {differs && (
          <Group gap={4} wrap="nowrap">
            <Icon name="warning" size={14} />
            <Text size="sm">differs</Text>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
