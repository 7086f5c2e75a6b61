import { Box, Group, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { ComparedField, Place, User } from "#core/admin/contract/users.ts";
import { Icon } from "../../components/icon.tsx";
import { Panel } from "../../components/panel.tsx";
import { formatTime } from "../../format-time.ts";
import { fieldWords, places, presenceDiffers, showValue, stateWords } from "./place-words.ts";
import classes from "./places.module.css";

/** What Clerk, the users table and Supabase Auth know of the user, side by side. */
export function PlacesPanel({ user }: { user: User }) {
  return (
    <Panel
      title="Side by side"
      aside={<Text size="xs">{user.is_revealed ? "revealed; it is in the audit" : "personal values are masked"}</Text>}
    >
      <Box className="table-scroll" tabIndex={0} role="group" aria-label="The three places">
        <Table miw={540} layout="fixed" aria-label="Side by side" verticalSpacing={6} className={classes.table}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={112}>Field</Table.Th>
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
            {Object.entries(fieldWords).map(([field, name]) => (
              <FieldRow key={field} user={user} field={field as ComparedField} name={name} />
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

function FieldRow({ user, field, name }: { user: User; field: ComparedField; name: string }) {
  return (
    <Row name={name} differs={user.differences.includes(field)}>
      {places.map(({ key }) => (
        <Table.Td key={key}>{showValue(user[key], field, formatTime)}</Table.Td>
      ))}
    </Row>
  );
}

/** The mark stands beside the name, which stays in sight when a phone scrolls to the other places. */
function Row({ name, differs, children }: { name: string; differs: boolean; children: ReactNode }) {
  return (
    <Table.Tr {...(differs && { className: classes.differs })}>
      <Table.Th scope="row">
        {name}
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
