import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { environmentSchema } from "#core/config/environment-schema.ts";
import { medianOf } from "./measure.ts";
import { readResults, storedFolder } from "./results.ts";
import { formatNumber } from "./table.ts";

const root = new URL("../", import.meta.url);
const page = await readFile(new URL("docs/scale.md", root), "utf8");
const results = await readResults(storedFolder);

/** What the page may say of a source: the median, and when and at which commit it was measured. */
const figures = new Map(
  results.flatMap(({ scenario, date, commit, rows }) =>
    rows.flatMap((row) =>
      Object.keys(row.sides).map((side) => {
        const figure = `${formatNumber(medianOf(row, side) ?? Number.NaN)} ${row.unit}`;
        return [`\`${scenario}.json\`, ${row.what}, ${side}`, { figure, measured: `${date.slice(0, 10)}, ${commit}` }];
      }),
    ),
  ),
);

const rows = [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \| (`[a-z-]+\.json`, [^|]+) \| ([^|]+) \|$/gm)];

describe("docs/scale.md", () => {
  test.each(rows.map(([, what = "", figure, source = "", measured]) => ({ what, figure, source, measured })))(
    "$what: $figure",
    ({ figure, source, measured }) => {
      expect({ figure, measured }, source).toEqual(figures.get(source));
    },
  );

  test("has a row for each source that it names", () => {
    const named = page.match(/`[a-z-]+\.json`/g) ?? [];
    expect(rows).toHaveLength(named.length);
    expect(rows.length).toBeGreaterThan(10);
  });

  test("sums up the disk with the measured bytes", () => {
    const bytesOf = (row: string) => figures.get(`\`size.json\`, ${row}, clerk-sync`)?.figure;
    const [user, job] = [bytesOf("both, of a user"), bytesOf("the queue, of a finished job")];
    expect(page).toContain(`users × ${user} + events a month × \`RETENTION_DAYS\` ÷ 30 × ${job}`);
  });
});

describe("what the page says of this project is what the files say:", () => {
  test.each([
    ["server", "max: 10,"],
    ["server", "purgeLimit = 20_000;"],
    ["server", "purgeEveryMilliseconds = 60_000;"],
    ["supabase", "'*/5 * * * *', format('select public.clerk_sync_purge_jobs(%s, 50000)'"],
    ["supabase", "clerk_sync_schedule(p_seconds integer default 10, p_retention_days integer default 30)"],
    ["supabase", "stepsOfRuns = 25;"],
    ["supabase", "pageSize = 500;"],
    ["supabase", "usersPerPage = 128;"],
    ["supabase", "backgroundShare = 0.7;"],
    ["supabase", "production: 1000,"],
  ])("%s/: %s", async (folder, text) => {
    expect(await readSources(folder)).toContain(text);
  });

  test("the defaults of its settings", () => {
    const { RETENTION_DAYS, WEBHOOK_MAX_PER_SECOND } = environmentSchema.shape;
    expect([RETENTION_DAYS.parse(undefined), WEBHOOK_MAX_PER_SECOND.parse(undefined)]).toEqual([30, 5000]);
  });
});

/** All code below a folder, wherever a file may have moved, with one blank between two words. */
async function readSources(folder: string): Promise<string> {
  const base = new URL(`${folder}/`, root);
  const names = (await readdir(base, { recursive: true })).filter((name) => /\.(ts|sql)$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, base), "utf8")));
  return texts.join("\n").replaceAll(/\s+/g, " ");
}
