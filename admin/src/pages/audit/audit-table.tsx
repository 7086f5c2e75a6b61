import { Anchor, Code, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import type { AuditEntry } from "#core/admin/contract/overview.ts";
import { TimeAgo } from "../../components/time.tsx";
import { formatCount } from "../../format-time.ts";
import classes from "./audit.module.css";
import { describeEntry, newestFirst } from "./describe-entry.ts";
import { linkSubject } from "./link-subject.ts";

export function AuditTable({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    <div className="surface table-scroll">
      <Table aria-label="Audit" verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>What</Table.Th>
            <Table.Th visibleFrom="sm">Code</Table.Th>
            <Table.Th visibleFrom="sm">Who / source</Table.Th>
            <Table.Th visibleFrom="sm">Subject</Table.Th>
            <Table.Th ta="right" visibleFrom="sm">
              Count
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {newestFirst(entries).map((entry) => (
            <Entry key={[entry.kind, entry.at, entry.source, entry.subject, entry.code].join("\n")} entry={entry} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Entry({ entry: { kind, last_at, source, subject, code, count, detail } }: { entry: AuditEntry }) {
  return (
    <Table.Tr className={classes.entry}>
      <Table.Td>
        <TimeAgo at={last_at} />
      </Table.Td>
      <Table.Td>
        <Text size="sm">{describeEntry({ kind, code })}</Text>
        <Text size="xs" hiddenFrom="sm" className="ids">
          {[source, code, count === 1 ? "" : `${formatCount(count)} ×`].filter((part) => part !== "").join(" · ")}
          <br />
          <Subject subject={subject} />
        </Text>
        <Detail detail={detail} />
      </Table.Td>
      <Table.Td className="ids" visibleFrom="sm">
        {code || "–"}
      </Table.Td>
      <Table.Td className="ids" visibleFrom="sm">
        {source || "–"}
      </Table.Td>
      <Table.Td className="ids" visibleFrom="sm">
        <Subject subject={subject} />
      </Table.Td>
      <Table.Td ta="right" className="numbers" visibleFrom="sm">
        {formatCount(count)}
      </Table.Td>
    </Table.Tr>
  );
}

function Subject({ subject }: { subject: string }) {
  const path = linkSubject(subject);
  if (path === null) return <>{subject || "–"}</>;
  return (
    <Anchor component={Link} to={path} inherit>
      {subject}
    </Anchor>
  );
}

function Detail({ detail }: { detail: AuditEntry["detail"] }) {
  if (Object.keys(detail).length === 0) return null;
  return (
    <details className={classes.detail}>
      <summary>detail</summary>
      <Code block>{JSON.stringify(detail, null, 2)}</Code>
    </details>
  );
}
