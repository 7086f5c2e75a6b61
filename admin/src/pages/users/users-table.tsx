import { Anchor, Badge, Group, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import type { MappedColumn, UserRecord } from "#core/admin/contract/users.ts";
import { TimeAgo } from "../../components/time.tsx";
import { formatTime } from "../../format-time.ts";
import { showValue } from "../user/place-words.ts";
import { listMarks } from "./list-marks.ts";
import { listedColumns } from "./listed-columns.ts";
import classes from "./users.module.css";

/** More do not fit beside each other. */
const mostColumns = 4;

/** A row opens its user. On a phone all stands in one column. */
export function UsersTable({ users }: { users: readonly UserRecord[] }) {
  const columns = listedColumns(users[0]?.columns ?? []).slice(0, mostColumns);
  return (
    <div className="surface table-scroll">
      <Table aria-label="Users" verticalSpacing={6} highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>User</Table.Th>
            {columns.map(({ name, source }) => (
              <Table.Th key={name} visibleFrom="sm">
                {name}
                {source !== name && (
                  <Text size="xs" c="dimmed" fw={400}>
                    {source}
                  </Text>
                )}
              </Table.Th>
            ))}
            <Table.Th visibleFrom="sm">Marks</Table.Th>
            <Table.Th visibleFrom="sm">Synced</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {users.map((user) => (
            <UserRow key={user.clerk_id} user={user} names={columns.map(({ name }) => name)} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function UserRow({ user, names }: { user: UserRecord; names: readonly string[] }) {
  const values = user.columns.filter(({ name }) => names.includes(name));
  return (
    <Table.Tr className={classes.row}>
      <Table.Td>
        <Anchor
          component={Link}
          to={`/users/${encodeURIComponent(user.clerk_id)}`}
          className={`ids ${classes.link}`}
          underline="hover"
        >
          {user.clerk_id}
        </Anchor>
        <Below user={user} values={values} />
      </Table.Td>
      {values.map(({ name, value }) => (
        <Table.Td key={name} visibleFrom="sm">
          {value === null ? "–" : showValue(value, formatTime)}
        </Table.Td>
      ))}
      <Table.Td visibleFrom="sm">
        <Marks user={user} />
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Synced user={user} />
      </Table.Td>
    </Table.Tr>
  );
}

/** What the other columns say, where there is room for one only. */
function Below({ user, values }: { user: UserRecord; values: readonly MappedColumn[] }) {
  const known = values.flatMap(({ value }) => (value === null ? [] : [showValue(value, formatTime)]));
  return (
    <Group gap={4} hiddenFrom="sm">
      <Text size="xs" w="100%" style={{ overflowWrap: "anywhere" }}>
        {known.length === 0 ? "no values" : known.join(" · ")}
      </Text>
      <Text size="xs" c="dimmed" component="span">
        synced <Synced user={user} />
      </Text>
      <Marks user={user} />
    </Group>
  );
}

/** Above the link of the row, so that the exact time shows beside the pointer. */
function Synced({ user: { state } }: { user: UserRecord }) {
  const synced_at = state?.synced_at ?? null;
  if (synced_at === null) return <span>never</span>;
  return (
    <span className={classes.time}>
      <TimeAgo at={synced_at} />
    </span>
  );
}

function Marks({ user }: { user: UserRecord }) {
  return (
    <Group gap={4}>
      {listMarks(user).map(({ text, color }) => (
        <Badge key={text} variant="light" radius="sm" size="sm" color={color} tt="none" style={{ flexShrink: 0 }}>
          {text}
        </Badge>
      ))}
    </Group>
  );
}
