import { Anchor, Badge, Group, Table } from "@mantine/core";
import { Link } from "react-router";
import type { UserSummary } from "#core/admin-users-contract.ts";
import { TimeAgo } from "../../components/time.tsx";
import { listMarks } from "./list-marks.ts";

export function UsersTable({ users }: { users: readonly UserSummary[] }) {
  return (
    <div className="surface table-scroll">
      <Table miw={860} aria-label="Users" verticalSpacing={6} highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>User</Table.Th>
            <Table.Th>Name</Table.Th>
            <Table.Th>Email</Table.Th>
            <Table.Th>Role</Table.Th>
            <Table.Th>Marks</Table.Th>
            <Table.Th>Synced</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {users.map((user) => (
            <UserRow key={user.clerk_id} user={user} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function UserRow({ user }: { user: UserSummary }) {
  return (
    <Table.Tr>
      <Table.Td className="ids">
        <Anchor component={Link} to={`/users/${encodeURIComponent(user.clerk_id)}`} inherit>
          {user.clerk_id}
        </Anchor>
      </Table.Td>
      <Table.Td>{user.name ?? "–"}</Table.Td>
      <Table.Td>{user.email ?? "–"}</Table.Td>
      <Table.Td>{user.role ?? "–"}</Table.Td>
      <Table.Td>
        <Group gap={4}>
          {listMarks(user).map(({ text, color }) => (
            <Badge key={text} variant="light" radius="sm" size="sm" color={color} tt="none" style={{ flexShrink: 0 }}>
              {text}
            </Badge>
          ))}
        </Group>
      </Table.Td>
      <Table.Td>
        <TimeAgo at={user.synced_at} />
      </Table.Td>
    </Table.Tr>
  );
}
