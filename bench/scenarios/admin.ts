import { chromium } from "@playwright/test";
import packaged from "@sparticuz/chromium";
import type pg from "pg";
import { ensureAdminPage } from "../../build/admin-page.ts";
import { serveProduct } from "../load/serve-product.ts";
import { makeRow, type Row } from "../measure.ts";
import { openPool } from "../open-database.ts";
import type { Context, Scenario } from "../scenario.ts";
import { makeHistory } from "./history.ts";

const secretKey = "sb_secret_bench_0123456789abcdef";
const aims = { list: ["100 ms", 100], page: ["1 s", 1000] } as const;

/** What the lists are asked for; each finds, filters or counts among all jobs or users. */
const lists: Readonly<Record<string, string>> = {
  "jobs, newest": "/jobs",
  "jobs of one status": "/jobs?status=COMPLETED",
  "jobs by a filter that matches nothing": "/jobs?code=none&source=webhook",
  "jobs of one user": "/jobs?clerk_id=user_history_77",
  "jobs found by email": "/jobs?q=user77@example.com",
  "jobs, counts of all statuses": "/jobs/counts",
  "dead letters by error": "/dead-letters",
  "users, newest": "/users",
  "users, deleted": "/users?show=deleted",
  "users by the beginning of an id": "/users?q=user_history_77",
  "users found by email": "/users?q=user77@example.com",
  overview: "/overview",
  "charts of 7 days": "/series?window=7d",
  "a scrape of the metrics": "/metrics",
};

/** Does the admin page stay quick with a long history? */
export const admin: Scenario = {
  name: "admin",
  question: "how long do the lists of the admin API and the page take, with a million jobs and users?",
  notes: [
    "One server with `--history` finished jobs, as many users, a tenth as many deleted ones and 2,000 dead letters; each list is asked for over HTTP once a round, with the secret key. The page is the overview in Chromium, from the reload of a signed-in tab to its figures.",
  ],
  run,
};

async function run(context: Context): Promise<Row[]> {
  const { createDatabase, options, addUndo, say } = context;
  const url = await createDatabase("admin");
  const pool = openPool(url, 2);
  addUndo(() => pool.end());
  say(`making ${options.history.toLocaleString("en-US")} jobs and users …`);
  await makeHistory(pool, options.history);
  await makeUsers(pool, options.history);
  await ensureAdminPage();
  const served = await serveProduct(url, [], { SUPABASE_SECRET_KEYS: JSON.stringify({ default: secretKey }) });
  addUndo(served.stop);
  const base = `http://127.0.0.1:${served.port}`;
  const page = await openAdminPage(`${base}/admin/`, secretKey);
  if (page !== null) addUndo(page.close);
  return measure(base, page, context);
}

async function measure(base: string, page: AdminPage | null, { options, say }: Context): Promise<Row[]> {
  const times: Record<string, number[]> = {};
  const loads: number[] = [];
  for (let round = 0; round <= options.rounds; round++) {
    for (const [what, path] of Object.entries(lists)) {
      const time = await ask(`${base}/functions/v1/sync-admin${path}`);
      if (round > 0) times[what] = [...(times[what] ?? []), time]; // the first round does not count
    }
    const load = await page?.reload();
    if (round > 0 && load !== undefined) loads.push(load);
    say(`admin: round ${round} of ${options.rounds}`);
  }
  const rows = Object.entries(times).map(([what, all]) => against(what, all, aims.list));
  return loads.length === 0 ? rows : [...rows, against("the page, until its figures are there", loads, aims.page)];
}

function against(what: string, times: readonly number[], [name, limit]: readonly [string, number]): Row {
  return makeRow({
    what,
    unit: "ms",
    sides: { "clerk-sync": times, [name]: [limit] },
    of: "clerk-sync",
    against: [name],
    goal: 1,
  });
}

async function ask(url: string): Promise<number> {
  const start = performance.now();
  const response = await fetch(url, { headers: { apikey: secretKey } });
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  return performance.now() - start;
}

async function makeUsers(pool: pg.Pool, count: number): Promise<void> {
  await pool.query(
    `insert into public.users (clerk_id, email, name, "createdAt", "updatedAt")
     select 'user_history_' || n, 'user' || n || '@example.com', 'Ada Lovelace ' || n, t.at, t.at
     from generate_series(1, $1::int) as n
     cross join lateral (select now() - n * interval '1 minute' as at) as t`,
    [count],
  );
  await pool.query(
    `insert into clerk_sync.records (id, version, last_synced_at, deleted_at)
     select 'user_history_' || n, 1763900000000, now(), case when n > $1::int then now() end
     from generate_series(1, $1::int + $1::int / 10) as n`,
    [count],
  );
  await pool.query(
    `insert into public.job_queue (event_id, job_type, clerk_id, status, error, attempts)
     select 'msg_dead_' || n, 'USER_UPDATED', 'user_history_' || n, 'DEAD', 'auth_rejected: 422', 1
     from generate_series(1, 2000) as n`,
  );
  await pool.query("vacuum analyze");
  // The charts read what the roll-up counted, which keeps up with the queue as it goes.
  while ((await pool.query("select clerk_sync.roll_up() as goes_on")).rows[0]?.goes_on);
}

type AdminPage = {
  /** Milliseconds from the reload to the figures of the overview. */
  reload: () => Promise<number>;
  close: () => Promise<void>;
};

/** Opens the overview, signed in; null where the browser of the npm package does not run. */
async function openAdminPage(url: string, secretKey: string): Promise<AdminPage | null> {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  const executablePath = await packaged.executablePath();
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await page.goto(url);
  await page.getByLabel("Secret key", { exact: true }).fill(secretKey);
  await page.getByLabel("Your name").fill("bench");
  await page.getByRole("button", { name: "Sign in" }).click();
  const figures = page.getByRole("region", { name: "Health" });
  await figures.waitFor();
  return {
    reload: async () => {
      await page.waitForLoadState("networkidle"); // a page that still draws its charts is left late
      const start = performance.now();
      await page.reload({ waitUntil: "commit" });
      await figures.waitFor();
      return performance.now() - start;
    },
    close: () => browser.close(),
  };
}
