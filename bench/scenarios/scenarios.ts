import type { Scenario } from "../scenario.ts";
import { admin } from "./admin.ts";
import { backfill } from "./backfill.ts";
import { coldStart } from "./cold-start.ts";
import { drain } from "./drain.ts";
import { history } from "./history.ts";
import { idle } from "./idle.ts";
import { ingest } from "./ingest.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { mirror } from "./mirror.ts";
import { policiesScenario } from "./policies.ts";
import { scale } from "./scale.ts";
import { size } from "./size.ts";

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
  policiesScenario,
];
