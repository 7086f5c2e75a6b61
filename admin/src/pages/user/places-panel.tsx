import { Box, Group, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { ComparedLine, Place, User } from "#core/admin/contract/users.ts";
import { Icon } from "../../components/icon.tsx";
import { Panel } from "../../components/panel.tsx";
import { formatTime } from "../../format-time.ts";
import { nameLine, namePlaces, presenceDiffers, showValue, stateWords } from "./place-words.ts";
import classes from "./places.module.css";

/** What Clerk, the table of users and Supabase Auth know of the user, side by side. */
export function PlacesPanel({ user }: { user: User }) {
  const places = namePlaces(user.table);
  return (
    <Panel
      title="Side by side"
      aside={<Text size="xs">{user.is_revealed ? "revealed; it is in the audit" : "personal values are masked"}</Text>}
    >
      <Box className="table-scroll" tabIndex={0} role="group" aria-label="The three places">
        <Table miw={540} layout="fixed" aria-label="Side by side" verticalSpacing={6} className={classes.table}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={164}>Column</Table.Th>
              {places.map(({ key, name }) => (
                <Table.Th key={key}>{name}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            <Row name="Is there" differs={presenceDiffers(user)}>
              {places.map(({ key }) => (
                <Table.Td key={key}>
                  <Presence place={user[key]} />
                </Table.Td>
              ))}
            </Row>
            {user.comparison.map((line) => (
              <Line key={`${line.source} ${line.name}`} line={line} />
            ))}
          </Table.Tbody>
        </Table>
      </Box>
    </Panel>
  );
}

function Presence({ place }: { place: Place }) {
  const { text, icon } = stateWords[place.state];
  return (
    <>
      <Group gap={4} wrap="nowrap">
        <Icon name={icon} size={14} />
        <Text size="sm" fw={600}>
          {text}
        </Text>
      </Group>
      {place.id !== null && (
        <Text size="xs" c="dimmed" className="ids">
          {place.id}
        </Text>
      )}
      {place.reason !== null && <Text size="xs">{place.reason}</Text>}
    </>
  );
}

function Line({ line }: { line: ComparedLine }) {
  const { name, source, differs } = line;
  return (
    <Row name={nameLine(line)} source={source === name ? null : source} differs={differs}>
      {([line.clerk, line.users, line.auth] as const).map((value, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the places stand in one order
        <Table.Td key={place}>{showValue(value, formatTime)}</Table.Td>
      ))}
    </Row>
  );
}

type RowProps = { name: string; source?: string | null; differs: boolean; children: ReactNode };

/** The mark stands beside the name, which stays in sight when a phone scrolls to the other places. */
function Row({ name, source = null, differs, children }: RowProps) {
  return (
    <Table.Tr {...(differs && { className: classes.differs })}>
      <Table.Th scope="row">
        {name}
        {source !== null && (
          <Text size="xs" c="dimmed" fw={400} style={{ overflowWrap: "anywhere" }}>
            {source}
          </Text>
        )}
        {differs && (
          <Group gap={4} wrap="nowrap" className={classes.mark}>
            <Icon name="warning" size={14} />
            <span>differs</span>
          </Group>
        )}
      </Table.Th>
      {children}
    </Table.Tr>
  );
}
