import { writeDocs } from "./page.ts";
import { scenarios } from "./scenarios/scenarios.ts";

// node bench/write-docs.ts: the pages and the plots of the stored results, measured before.
await writeDocs(scenarios.map(({ name }) => name));
