import { Anchor, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";
import type { Overview } from "#core/admin/contract/overview.ts";
import { TimeAgo } from "../../components/time.tsx";
import { useNow } from "../../components/use-now.ts";
import { formatCount, formatDuration } from "../../format-time.ts";
import classes from "./overview.module.css";

/** The numbers that tell most, each with where it leads to. */
export function KeyFigures({ overview }: { overview: Overview }) {
  const { users, last_event_at, last_applied_at, drift, jobs } = overview;
  const dead = jobs.statuses.DEAD ?? 0;
  return (
    <dl className={classes.figures}>
      <Figure name="Last event" value={<TimeAgo at={last_event_at} />}>
        last applied <TimeAgo at={last_applied_at} />
      </Figure>
      <Figure name="Oldest due job" value={<Age since={overview.oldest_due_at} />}>
        <To path="/jobs?status=PENDING,FAILED">waiting jobs</To>
      </Figure>
      <Figure name="Dead letters" value={formatBound(dead, jobs.most)} isBad={dead > 0}>
        <To path="/dead-letters">by error</To>
      </Figure>
      <Figure name="Users" value={formatCount(users)}>
        <To path="/users">all users</To>
      </Figure>
      <Figure
        name="Out of step"
        value={drift ? formatCount(drift.users) : "–"}
        isBad={drift !== null && drift.users > 0}
      >
        <Drift drift={drift} />
      </Figure>
    </dl>
  );
}

type FigureProps = { name: string; value: ReactNode; isBad?: boolean; children: ReactNode };

function Figure({ name, value, isBad = false, children }: FigureProps) {
  return (
    <div className={`surface ${classes.figure}`}>
      <dt>{name}</dt>
      <dd>
        <Text component="div" className={classes.value} data-bad={isBad || undefined}>
          {value}
        </Text>
        <Text component="div" size="xs" c="dimmed">
          {children}
        </Text>
      </dd>
    </div>
  );
}

function Age({ since }: { since: string | null }) {
  const now = useNow();
  return <>{since === null ? "none" : formatDuration(Math.max(1000, now - Date.parse(since)))}</>;
}

function Drift({ drift }: { drift: Overview["drift"] }) {
  if (drift === null) return <To path="/reconcile">never compared: do it now</To>;
  return (
    <>
      of {formatCount(drift.read)}, <TimeAgo at={drift.at} />: <To path="/reconcile">reconcile</To>
    </>
  );
}

function To({ path, children }: { path: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={path} inherit underline="always">
      {children}
    </Anchor>
  );
}

/** A count that was only counted so far ends with a plus. */
export function formatBound(count: number, most: number): string {
  return count >= most ? `${formatCount(most)}+` : formatCount(count);
}
