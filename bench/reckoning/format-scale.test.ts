import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { storedFolder } from "../page.ts";
import { readResults } from "../results.ts";
import { assumed, ours, theirs } from "./assumptions.ts";
import { formatCount, formatDuration, formatGb, formatPercent } from "./format-amounts.ts";
import { formatScale } from "./format-scale.ts";
import { takeMeasured } from "./measured.ts";

const root = new URL("../../", import.meta.url);
const read = (file: string) => readFile(new URL(file, root), "utf8");

describe("docs/scale.md", () => {
  test("names every measured number with the scenario it is from", async () => {
    const results = await readResults(storedFolder);
    const page = formatScale(results);
    for (const { scenario, row, side } of Object.values(takeMeasured(results))) {
      expect(page).toContain(`[${scenario}](performance.md#${scenario}) | ${row}: ${side}`);
    }
  });

  test("changes with the results", async () => {
    const results = await readResults(storedFolder);
    const twice = results.map((result) => ({
      ...result,
      rows: result.rows.map((row) => ({
        ...row,
        sides: Object.fromEntries(
          Object.entries(row.sides).map(([name, values]) => [name, values.map((one) => 2 * one)]),
        ),
      })),
    }));
    const bytesOf = (page: string) => page.match(/\| \*\*database of the sync\*\* \| \*\*([\d.]+) GB/)?.[1];
    const [once, doubled] = [formatScale(results), formatScale(twice)].map((page) => Number(bytesOf(page)));
    expect(doubled).toBeCloseTo(2 * (once ?? Number.NaN), 1);
  });

  test("lists every assumption with its value", async () => {
    const page = formatScale(await readResults(storedFolder));
    for (const { what, value } of Object.values(assumed)) expect(page).toContain(`| ${what} | ${value}`);
  });

  test("says which scenario is to be run when a result is missing", async () => {
    const results = await readResults(storedFolder);
    expect(() => formatScale(results.filter(({ scenario }) => scenario !== "size"))).toThrow("npm run bench -- size");
  });
});

describe("what is said of this project is what its files say:", () => {
  test.each([
    ["server/database.ts", `max: ${ours.poolConnections},`],
    ["server/worker.ts", "purgeLimit = 20_000;"],
    ["server/worker.ts", "purgeEveryMilliseconds = 60_000;"],
    [
      "supabase/migrations/20261124000021_schedule.sql",
      `'*/${ours.purgeSecondsOfSchedule / 60} * * * *', format('select public.clerk_sync_purge_jobs(%s, ${ours.purgedBySchedule})'`,
    ],
    [
      "supabase/migrations/20261124000021_schedule.sql",
      `clerk_sync_schedule(p_seconds integer default ${ours.callSeconds}, p_retention_days integer default ${ours.retentionDays})`,
    ],
    ["supabase/migrations/20261124000021_schedule.sql", "'clerk-sync-sweep', '7 * * * *'"],
    ["supabase/migrations/20261124000021_schedule.sql", "'clerk-sync-compare', '23 3 * * *'"],
    ["supabase/functions/_shared/clerk-sync/worker/handle-processor.ts", `stepsOfRuns = ${ours.pagesPerCall};`],
    ["supabase/functions/_shared/clerk-sync/clerk/clerk-api.ts", `pageSize = ${ours.usersPerPage};`],
    ["supabase/functions/_shared/clerk-sync/mirror/read-auth-users.ts", `usersPerPage = ${ours.authUsersPerPage};`],
    [
      "supabase/functions/_shared/clerk-sync/clerk/limit-clerk-rate.ts",
      `backgroundShare = ${ours.clerkBackgroundPercent / 100};`,
    ],
    [
      "supabase/functions/_shared/clerk-sync/clerk/limit-clerk-rate.ts",
      `production: ${theirs.clerkRequestsPerSecond * 10},`,
    ],
  ])("%s: %s", async (file, text) => {
    expect((await read(file)).replaceAll(/\s+/g, " ")).toContain(text);
  });
});

test.each([
  [formatCount(1_500_000), "1.5 million"],
  [formatCount(2_400_000_000), "2.4 billion"],
  [formatGb(0.5), "500 MB"],
  [formatGb(1234), "1.23 TB"],
  [formatDuration(90), "90 s"],
  [formatDuration(3600), "60 min"],
  [formatDuration(86_400), "24 h"],
  [formatDuration(10 * 86_400), "10 days"],
  [formatPercent(0.257), "25.7 %"],
])("%s is written %s", (text, expected) => {
  expect(text).toBe(expected);
});
