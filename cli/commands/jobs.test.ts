import { describe, expect, test } from "vitest";
import type { CommandIo } from "../command-io.ts";
import { main } from "../main.ts";

const id = "0191d7c5-0000-7000-8000-000000000001";
const job = {
  id,
  job_type: "USER_UPDATED",
  status: "DEAD",
  source: "webhook",
  clerk_id: "user_ada",
  event_id: "msg_1",
  version: 1,
  priority: 1,
  attempts: 8,
  max_attempts: 8,
  error: "auth_rejected: 422",
  created_at: "2026-11-20T10:00:00.123+00:00",
  updated_at: "2026-11-20T10:00:00+00:00",
  run_at: "2026-11-20T10:00:00+00:00",
  processed_at: null,
  lease_until: null,
  cancel_requested_at: null,
  waits_for: null,
};
const wholeJob = {
  ...job,
  history: [{ at: "2026-11-20T10:00:00+00:00", status: "PENDING", attempt: 0, by: "cli bob" }],
  result: null,
  payload: { name: "A***" },
  is_revealed: false,
  trouble: { what: "Supabase Auth refused this user.", remedy: "Correct the value, then retry the job." },
};

type Asked = { method: string; path: string; body?: unknown };

/** Runs the command against a sync-admin that answers this, one after the other, and tells what it was asked. */
async function run(args: string[], answers: unknown[], changes: Partial<CommandIo> = {}) {
  const [stdout, stderr, asked]: [string[], string[], Asked[]] = [[], [], []];
  const exitCode = await main(["jobs", ...args, "--url", "https://abc.supabase.co", "--secret-key", "sb_secret_1"], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    confirm: null,
    environment: {},
    clock: { now: () => Date.parse("2026-11-21T00:00:00Z"), sleep: async () => undefined },
    onInterrupt: () => () => undefined,
    fetch: async (url, init) => {
      const path = String(url).replace("https://abc.supabase.co/functions/v1/sync-admin", "");
      asked.push({
        method: init?.method ?? "GET",
        path,
        ...(init?.body ? { body: JSON.parse(String(init.body)) } : {}),
      });
      const answer = answers[asked.length - 1];
      return answer instanceof Response ? answer : Response.json(answer);
    },
    ...changes,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), asked };
}

describe("jobs list", () => {
  const page = (next: string | null, jobs = [job]) => ({ jobs, next });

  test("asks for what every option says", async () => {
    const args = [
      "--status",
      "dead,failed",
      "--type",
      "user_updated",
      "--source",
      "webhook",
      "--code",
      "auth_rejected",
    ];
    const more = [
      "--user",
      "user_ada",
      "--since",
      "7d",
      "--until",
      "24h",
      "--q",
      "msg_1",
      "--limit",
      "2",
      "--cursor",
      "c",
    ];
    const { asked } = await run(["list", ...args, ...more], [page(null)]);
    expect(Object.fromEntries(new URL(`https://x${asked[0]?.path}`).searchParams)).toEqual({
      status: "DEAD,FAILED",
      job_type: "USER_UPDATED",
      source: "webhook",
      code: "auth_rejected",
      clerk_id: "user_ada",
      created_after: "2026-11-14T00:00:00.000Z",
      created_before: "2026-11-20T00:00:00.000Z",
      q: "msg_1",
      limit: "2",
      cursor: "c",
    });
  });

  test("prints a line a job, and the way to the next page", async () => {
    const { stdout, stderr } = await run(["list"], [page("beef")]);
    expect(stdout).toBe(`2026-11-20T10:00:00  ${id}  DEAD  USER_UPDATED  user_ada  auth_rejected: 422`);
    expect(stderr).toContain("--cursor beef");
  });

  test("does not say that none matches while older ones may", async () => {
    expect((await run(["list"], [page("beef", [])])).stdout).toBe(
      "None of the jobs looked at matches; older ones may.",
    );
    expect((await run(["list"], [page(null, [])])).stdout).toMatch(/^No job matches\./);
  });

  test("prints with --json one value and nothing else", async () => {
    const { stdout, stderr } = await run(["list", "--json"], [page("beef")]);
    expect([JSON.parse(stdout), stderr]).toEqual([page("beef"), ""]);
  });

  test.each([
    [["--until", "yesterday"], "--until yesterday is neither"],
    [["--since", "yesterday"], "--since yesterday is neither"],
    [["--status", "dead,lost"], "--status"],
    [["--limit", "201"], "--limit"],
  ])("refuses %j, naming the option, and asks nothing", async (args, message) => {
    const { exitCode, stderr, asked } = await run(["list", ...args], []);
    expect([exitCode, stderr, asked]).toEqual([2, expect.stringContaining(`usage_invalid: ${message}`), []]);
  });
});

describe("jobs show", () => {
  test("tells of the history, who did what by hand, and that values are masked", async () => {
    const { stdout, asked } = await run(["show", id], [wholeJob]);
    expect(asked).toEqual([{ method: "GET", path: `/jobs/${id}` }]);
    expect(stdout).toMatch(/^USER_UPDATED DEAD, attempt 8 of 8\n.*PENDING +attempt 0 by cli bob\n.*--reveal/s);
  });

  test("says what its error means and what to do, in the words of the API", async () => {
    const { stdout } = await run(["show", id], [wholeJob]);
    expect(stdout).toContain(
      "\n  trouble   Supabase Auth refused this user.\n  to do     Correct the value, then retry the job.\n",
    );
    expect((await run(["show", id], [{ ...wholeJob, trouble: null }])).stdout).not.toMatch(/trouble|to do/);
  });

  test("reveals by the call that is audited", async () => {
    const { stdout, asked } = await run(["show", id, "--reveal"], [{ ...wholeJob, is_revealed: true }]);
    expect([asked[0]?.path, stdout]).toEqual([`/jobs/${id}/reveal`, expect.not.stringContaining("masked")]);
  });

  test("lets no error send commands to the terminal", async () => {
    const { stdout } = await run(["show", id], [{ ...wholeJob, error: "auth_rejected: \u001b[2J" }]);
    expect(stdout).toContain("auth_rejected: �[2J");
  });

  test("refuses what is no id", async () => {
    expect(await run(["show", "../users"], [])).toMatchObject({ exitCode: 2, asked: [] });
  });
});

describe("jobs retry and cancel by ids", () => {
  test("name each job once", async () => {
    const { exitCode, stdout, asked } = await run(["cancel", id, id], [{ changed: 1 }]);
    expect([exitCode, stdout]).toEqual([0, "1 job is cancelled."]);
    expect(asked).toEqual([{ method: "POST", path: "/jobs/cancel", body: { ids: [id] } }]);
  });

  test("send no more than 500 in one call", async () => {
    const ids = Array.from({ length: 501 }, (_, n) => id.slice(0, -3) + String(n).padStart(3, "0"));
    const { stdout, asked } = await run(["retry", ...ids], [{ changed: 500 }, { changed: 1 }]);
    expect([stdout, asked.length]).toEqual(["501 jobs are due again.", 2]);
  });

  test("fail when a job is in no state for it", async () => {
    expect(await run(["retry", id, "--json"], [{ changed: 0 }])).toMatchObject({
      exitCode: 1,
      stdout: '{"changed":0,"is_complete":false}',
      stderr: expect.stringContaining("jobs show"),
    });
  });

  test.each([
    [["retry"], "Name the jobs by their ids, or pass --all"],
    [["retry", id, "--all"], "Name the jobs by their ids, or pass --all"],
    [["retry", "--status", "dead"], "Name the jobs by their ids, or pass --all"],
    [["cancel", id, "--code", "auth_rejected"], "are not filtered"],
    [["cancel", "0191"], "0191 is not a job's id"],
  ])("refuse %j and ask nothing", async (args, message) => {
    const { exitCode, stderr, asked } = await run(args, []);
    expect([exitCode, stderr, asked]).toEqual([2, expect.stringContaining(message), []]);
  });
});

describe("jobs retry and cancel --all", () => {
  const all = ["retry", "--all", "--status", "dead"];
  const counted = { count: 700, is_exact: true };

  test("count, ask, and send the same operation with each slice until nothing is left", async () => {
    const answers = [counted, { changed: 500 }, { changed: 200 }, { changed: 0 }];
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    const { exitCode, stdout, asked } = await run(all, answers, { confirm });
    expect([exitCode, stdout, questions]).toEqual([0, "700 jobs are due again.", ["Retry 700 jobs?"]]);
    const filter = { status: ["DEAD"] };
    expect(asked[0]).toEqual({ method: "POST", path: "/jobs/count", body: { filter, action: "retry" } });
    const slice = { filter, operation: expect.any(String), before: "2026-11-21T00:00:00.000Z" };
    expect(asked[1]).toEqual({ method: "POST", path: "/jobs/retry", body: slice });
    expect([asked[2], asked[3]]).toEqual([asked[1], asked[1]]);
  });

  test("say when there may be more than was counted", async () => {
    const { stderr } = await run(all, [{ count: 3000, is_exact: false }]);
    expect(stderr).toContain("Retry 3000 or more jobs? Nobody can answer here: pass --yes.");
  });

  test("refuse without an answer, and change nothing after a no", async () => {
    expect(await run(all, [counted])).toMatchObject({ exitCode: 2, asked: [{ path: "/jobs/count" }] });
    const declined = await run(all, [counted], { confirm: async () => false });
    expect(declined).toMatchObject({ exitCode: 1, stdout: "", stderr: "Nothing was changed." });
    expect(declined.asked).toHaveLength(1);
  });

  test("stop between two slices", async () => {
    const onInterrupt = (listener: () => void) => {
      listener();
      return () => undefined;
    };
    const { exitCode, stdout, stderr } = await run([...all, "--yes", "--json"], [counted], { onInterrupt });
    expect([exitCode, stdout]).toEqual([1, '{"changed":0,"is_complete":false}']);
    expect(stderr).toMatch(/^Stopped: /);
  });

  test("say how many changed before a slice failed", async () => {
    const trouble = new Response("<html>", { status: 503 });
    const { exitCode, stdout, stderr } = await run([...all, "--yes"], [counted, { changed: 500 }, trouble]);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/500 changed before this.*\nerror endpoint_unreachable: /s);
  });
});
