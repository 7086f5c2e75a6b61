import type { Scenario } from "./scenario.ts";
import { admin } from "./scenarios/admin.ts";
import { backfill } from "./scenarios/backfill.ts";
import { coldStart } from "./scenarios/cold-start.ts";
import { drain } from "./scenarios/drain.ts";
import { history } from "./scenarios/history.ts";
import { idle } from "./scenarios/idle.ts";
import { ingest } from "./scenarios/ingest.ts";
import { latency } from "./scenarios/latency.ts";
import { memory } from "./scenarios/memory.ts";
import { mirror } from "./scenarios/mirror.ts";
import { scale } from "./scenarios/scale.ts";
import { size } from "./scenarios/size.ts";

/** In the order in which they run, and stand on the page. */
export const scenarios: readonly Scenario[] = [
  ingest,
  drain,
  latency,
  history,
  backfill,
  mirror,
  coldStart,
  idle,
  memory,
  scale,
  size,
  admin,
];
