import { afterAll, beforeAll } from "vitest";
import { type EdgeHost, startEdgeHost } from "../../support/edge/edge-host.ts";
import { describeCase } from "../../support/mapping/play-case.ts";
import { teamCases } from "../../support/mapping/team-cases.ts";
import { startEdgeHome } from "../../support/systems/team-system.ts";

// The tables of teams as Edge Functions under Deno, with the mapping.json of each. tests/integration/mapping/team-cases.test.ts
// plays the same on the Node server.

let host: EdgeHost;
beforeAll(async () => {
  host = await startEdgeHost();
});
afterAll(() => host?.stop());

for (const teamCase of teamCases) describeCase(teamCase, (project, migrated) => startEdgeHome(host)(project, migrated));
