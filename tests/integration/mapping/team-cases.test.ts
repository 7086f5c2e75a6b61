import { describeCase } from "../../support/mapping/play-case.ts";
import { teamCases } from "../../support/mapping/team-cases.ts";
import { startNodeHome } from "../../support/systems/team-system.ts";

// The tables of teams on the Node server. tests/integration/edge/team-cases.test.ts plays the same as Edge Functions.

for (const teamCase of teamCases) describeCase(teamCase, startNodeHome);
