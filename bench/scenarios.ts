import type { Scenario } from "./scenario.ts";
import { drain } from "./scenarios/drain.ts";
import { history } from "./scenarios/history.ts";
import { ingest } from "./scenarios/ingest.ts";

/** In the order in which they run, and stand on the page. */
export const scenarios: readonly Scenario[] = [ingest, drain, history];
