import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { main } from "../main.ts";

const entry = {
  kind: "delivery_refused",
  at: "2026-11-20T10:00:00+00:00",
  source: "203.0.113.7",
  subject: "",
  code: "signature_invalid",
  count: 12,
  last_at: "2026-11-20T10:00:40+00:00",
  detail: {},
};

/** Runs the command against a database that answers this, and what it was asked. */
async function run(args: string[], answer: () => Promise<Response> = async () => Response.json([entry])) {
  const [stdout, stderr, asked]: [string[], string[], unknown[]] = [[], [], []];
  const exitCode = await main(["audit", ...args], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    folder: tmpdir(),
    clock: { now: () => Date.parse("2026-11-21T00:00:00Z"), sleep: async () => undefined },
    fetch: async (url, init) => {
      asked.push([String(url), JSON.parse(String(init?.body))]);
      return answer();
    },
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), asked };
}

const target = ["--url", "https://abc.supabase.co", "--secret-key", "sb_secret_1"];

describe("it asks", () => {
  test("for the last day, all kinds", async () => {
    const { exitCode, asked } = await run(target);
    expect(exitCode).toBe(0);
    expect(asked).toEqual([
      [
        "https://abc.supabase.co/rest/v1/rpc/clerk_sync_audit",
        { p_filter: { since: "2026-11-20T00:00:00.000Z" }, p_limit: 100 },
      ],
    ]);
  });

  test.each([
    ["30m", "2026-11-20T23:30:00.000Z"],
    ["7d", "2026-11-14T00:00:00.000Z"],
    ["2026-11-19T10:00:00Z", "2026-11-19T10:00:00.000Z"],
  ])("since %s for one kind", async (since, time) => {
    const { asked } = await run([...target, "--since", since, "--kind", "job_edited", "--limit", "5"]);
    const args = { p_filter: { since: time, kind: "job_edited" }, p_limit: 5 };
    expect(asked).toEqual([[expect.any(String), args]]);
  });
});

describe("it prints", () => {
  test("a line an entry", async () => {
    expect((await run(target)).stdout).toBe(
      "2026-11-20T10:00:40.000Z  delivery_refused  12 × refused (signature_invalid) from 203.0.113.7",
    );
  });

  test("that there is nothing", async () => {
    const { exitCode, stdout } = await run(target, async () => Response.json([]));
    expect([exitCode, stdout]).toEqual([0, "Nothing since 2026-11-20T00:00:00.000Z."]);
  });

  test("JSON and nothing else", async () => {
    expect(JSON.parse((await run([...target, "--json"])).stdout)).toMatchObject([{ count: 12 }]);
  });
});

describe("it refuses", () => {
  test.each([
    [["--since", "yesterday"], "--since yesterday is neither 30m, 24h, 7d nor a time"],
    [["--kind", "edits"], "--kind edits is not known. Known are delivery_refused"],
    [["--limit", "many"], "--limit must be a whole number from 1 to 1000"],
  ])("%j, saying what would do", async (args, message) => {
    const { exitCode, stderr, asked } = await run([...target, ...args]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(asked).toEqual([]);
  });

  test("a project without its key", async () => {
    const { exitCode, stderr } = await run(["--url", "https://abc.supabase.co"]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("pass --secret-key")]);
  });

  test.each([
    ["nobody answers", () => Promise.reject(new TypeError("fetch failed")), "endpoint_unreachable"],
    ["the function is missing", async () => new Response("{}", { status: 404 }), "database_rejected"],
  ] as const)("with exit code 1 when %s", async (_, answer, code) => {
    const { exitCode, stderr } = await run(target, answer);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`error ${code}: The audit cannot be read`)]);
  });
});
