import { Link } from "react-router";
import type { JobCounts } from "#core/admin/contract/jobs.ts";
import { Panel } from "../../components/panel.tsx";
import { StatusBadge } from "../../components/status-badge.tsx";
import { formatBound } from "./key-figures.tsx";
import classes from "./overview.module.css";

const order = ["PENDING", "PROCESSING", "FAILED", "DEAD", "COMPLETED", "CANCELLED"] as const;

/** How many jobs are in each status; each leads to them. */
export function QueuePanel({ counts: { statuses, most } }: { counts: JobCounts }) {
  return (
    <Panel title="Jobs by status">
      <ul className={classes.statuses}>
        {order.map((status) => (
          <li key={status}>
            <Link to={`/jobs?status=${status}`} className={classes.status}>
              <StatusBadge status={status} />
              <span className="numbers">{formatBound(statuses[status] ?? 0, most)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
