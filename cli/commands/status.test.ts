import { describe, expect, test } from "vitest";
import type { CommandIo } from "../command-io.ts";
import { main } from "../main.ts";

const counts = { PENDING: 2, PROCESSING: 0, COMPLETED: 10_000, FAILED: 0, DEAD: 3, CANCELLED: 0 };
const overview = {
  now: "2026-11-21T00:00:00+00:00",
  version: "20261130000000",
  health: { status: "healthy", reasons: [] as object[] },
  jobs: { most: 10_000, statuses: counts, at_least: ["COMPLETED"] },
  oldest_due_at: "2026-11-20T23:59:18+00:00",
  users: 7,
  last_event_at: "2026-11-20T23:30:00+00:00",
  last_applied_at: null as string | null,
  drift: { users: 1, read: 7, at: "2026-11-20T12:00:00+00:00" },
  circuits: [
    { name: "auth", state: "open", since: null, failures: 5, next_probe: null, last_error: null, waiting: 4 },
    { name: "clerk", state: "closed", since: null, failures: 0, next_probe: null, last_error: null, waiting: 0 },
  ],
  brake: { engaged_at: "2026-11-20T23:00:00+00:00", reason: null, released_at: null, waiting: 12 },
  open_run: null,
};
const reason = { code: "delete_brake", status: "compromised", what: "12 deletions wait.", remedy: "Look at them." };
const compromised = { ...overview, health: { status: "compromised", reasons: [reason] } };
const unreachable = () => Promise.reject(new TypeError("fetch failed"));
const refused = async () => Response.json({ error: "…", code: "caller_unauthorized" }, { status: 401 });

/** Runs the command against a sync-admin that answers this, one after the other; Ctrl-C is pressed after the last. */
async function run(args: string[], answers: unknown[], changes: Partial<CommandIo> = {}) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  let asked = 0;
  let interrupt: () => void = () => undefined;
  const waits: number[] = [];
  const exitCode = await main(["status", ...args, "--url", "https://abc.supabase.co", "--secret-key", "sb_secret_1"], {
    print: (line) => stdout.push(line),
    note: (line) => stderr.push(line),
    terminal: null,
    environment: {},
    clock: {
      now: () => Date.parse("2026-11-21T00:00:00Z"),
      sleep: async (milliseconds, signal) => {
        waits.push(milliseconds);
        if (asked === answers.length) interrupt();
        signal?.throwIfAborted();
      },
    },
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => undefined;
    },
    fetch: async () => {
      const answer = answers[asked];
      asked += 1;
      return typeof answer === "function" ? answer() : Response.json(answer);
    },
    ...changes,
  });
  return { exitCode, stdout: stdout.join("\n"), stderr: stderr.join("\n"), waits };
}

describe("status", () => {
  test("is one screen: reasons with remedies first, then what stands in the queue and beside it", async () => {
    const { exitCode, stdout } = await run([], [compromised]);
    expect(stdout.split("\n")).toEqual([
      "✗ compromised",
      "  ✗ delete_brake: 12 deletions wait.",
      "      Look at them.",
      "",
      "  users         7",
      "  jobs          pending 2, processing 0, completed 10000+, failed 0, dead 3, cancelled 0",
      "  dead letters  3 wait for a person: clerk-sync jobs list --status dead",
      "  oldest due    42 s ago",
      "  last event    30 min ago; last applied never",
      "  out of step   1 of 7, 12 h ago",
      "  circuits      auth open (4 wait), clerk closed",
      "  delete brake  engaged: 12 deletions wait",
    ]);
    expect(exitCode).toBe(1);
  });

  test.each([
    ["healthy", 0],
    ["degraded", 0],
    ["compromised", 1],
  ])("exits, when %s, with %i", async (status, code) => {
    expect((await run([], [{ ...overview, health: { status, reasons: [] } }])).exitCode).toBe(code);
  });

  test("claims no more than was counted, and asks an older API for no field it lacks", async () => {
    const exact = { ...overview, jobs: { ...overview.jobs, at_least: [] } };
    expect((await run([], [exact])).stdout).toContain("completed 10000,");
    const older = { ...overview, jobs: { most: 10_000, statuses: counts } };
    expect((await run([], [older])).stdout).toContain("completed 10000+,");
  });

  test("prints with --json one value and nothing else", async () => {
    const { stdout, stderr } = await run(["--json"], [overview]);
    expect([JSON.parse(stdout), stderr]).toEqual([overview, ""]);
  });

  test("lets no reason send commands to the terminal", async () => {
    const odd = { ...overview, health: { status: "degraded", reasons: [{ ...reason, what: "x\u001b[2J" }] } };
    expect((await run([], [odd])).stdout).toContain("x�[2J");
  });

  test("takes no Ctrl-C upon itself when it shows but one screen", async () => {
    const onInterrupt = () => {
      throw new Error("listened");
    };
    expect((await run([], [overview], { onInterrupt })).exitCode).toBe(0);
  });
});

describe("status --watch", () => {
  test("shows the screen again every few seconds until Ctrl-C, and exits as the last one says", async () => {
    const { exitCode, stdout, waits } = await run(["--watch", "--every", "2"], [compromised, overview, overview]);
    expect([exitCode, waits]).toEqual([0, [2000, 2000, 2000]]);
    expect(stdout.match(/^[✓✗] \w+$/gm)).toEqual(["✗ compromised", "✓ healthy", "✓ healthy"]);
  });

  test("goes on while the server restarts", async () => {
    const { exitCode, stdout, stderr } = await run(["--watch"], [overview, unreachable, overview]);
    expect([exitCode, stdout.match(/healthy/g)?.length]).toEqual([0, 2]);
    expect(stderr).toMatch(/^error endpoint_unreachable: .*Asking again …$/);
    expect((await run(["--watch"], [overview, unreachable])).exitCode).toBe(1);
  });

  test("ends when the key is refused, and when nobody was there to begin with", async () => {
    expect(await run(["--watch"], [overview, refused])).toMatchObject({ exitCode: 1, waits: [5000] });
    expect(await run(["--watch"], [unreachable])).toMatchObject({ exitCode: 1, waits: [] });
  });
});
