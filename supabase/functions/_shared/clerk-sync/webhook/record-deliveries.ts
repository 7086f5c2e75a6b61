import type { CallFunction } from "../database/database.ts";
import type { Program } from "../database/program.ts";
import { errorCode, errorMessage } from "../errors.ts";
import { delay } from "../http/async.ts";
import { logger } from "../logger.ts";
import type { DeliveryHooks, DeliveryNote } from "./notify-hook.ts";

/** So many that are alike; `at` is the last of them. */
type DeliveryEntry = DeliveryNote & { at: string; count: number };

/** Answers of a status and signature failures of a code, for metrics, and events of a kind that is not stored. */
type DeliveryCount = { name: "answers" | "signature_failures" | "skipped"; value: string; count: number };

export type DeliveryRecorder = {
  /** What the webhook calls. */
  hooks: Required<DeliveryHooks>;
  /** Writes what is there, now, and nothing later. */
  close: () => Promise<void>;
};

export type DeliveryRecorderOptions = {
  /** Calls clerk_sync_record_deliveries. */
  call: CallFunction;
  /** What records them. */
  program?: Program;
  /** Keeps the process alive until the work is done (EdgeRuntime.waitUntil). */
  keepAlive: (work: Promise<void>) => unknown;
  /** Unix milliseconds. */
  now: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
};

const writeEveryMilliseconds = 10_000;
/** Different notes kept until the next write; more of them are counted as one "(other)" a kind. */
const mostNotes = 100;

/**
 * Makes what remembers deliveries outside the answers' way: the first is written at once, the others together every ten
 * seconds, those that are alike as one with its count. A flood costs one small call in ten seconds.
 */
export function createDeliveryRecorder(options: DeliveryRecorderOptions): DeliveryRecorder {
  const { keepAlive, now, sleep = delay } = options;
  const kept = createNotes(now);
  const state = { isRunning: false, isClosed: false, writtenAt: Number.NEGATIVE_INFINITY };
  const flush = async () => {
    state.writtenAt = now();
    await writeAll(options, kept.take());
  };
  const run = async () => {
    while (kept.hasAny() && !state.isClosed) {
      await sleep(Math.max(0, state.writtenAt + writeEveryMilliseconds - now()));
      if (!state.isClosed) await flush();
    }
    state.isRunning = false;
  };
  const start = () => {
    if (state.isRunning || state.isClosed) return;
    state.isRunning = true;
    keepAlive(run());
  };
  const note = (added: DeliveryNote) => {
    kept.add(added);
    start();
  };
  const accept = () => {
    kept.accept();
    start();
  };
  const answer = (status: number) => {
    kept.count("answers", String(status));
    start();
  };
  const skip = (kind: string) => {
    kept.count("skipped", kind);
    start();
  };
  return {
    hooks: {
      onAccepted: accept,
      onSkipped: skip,
      onAnswered: answer,
      onRefused: ({ code, source }) => {
        if (code.startsWith("signature_")) kept.count("signature_failures", code);
        note({ kind: "delivery_refused", source, code });
      },
      onIgnored: note,
      onTrimmed: note,
    },
    close: async () => {
      state.isClosed = true;
      if (kept.hasAny()) await flush();
    },
  };
}

type Notes = { acceptedAt: string | null; entries: DeliveryEntry[]; counts: DeliveryCount[] };

function createNotes(now: () => number) {
  let acceptedAt: number | null = null;
  let entries = new Map<string, DeliveryEntry>();
  let counts = new Map<string, DeliveryCount>();
  return {
    hasAny: () => acceptedAt !== null || entries.size > 0 || counts.size > 0,
    count: (name: DeliveryCount["name"], value: string) => {
      const known = counts.get(name + value) ?? { name, value, count: 0 };
      counts.set(name + value, { ...known, count: known.count + 1 });
    },
    accept: () => {
      acceptedAt = now();
    },
    add: (note: DeliveryNote) => {
      const at = new Date(now()).toISOString();
      const own = { subject: "", code: "", ...note, at, count: 0 };
      const isRoom = entries.size < mostNotes || entries.has(keyOf(own));
      const entry = isRoom ? own : { ...own, source: "(other)", subject: "", code: "" };
      const known = entries.get(keyOf(entry)) ?? entry;
      entries.set(keyOf(entry), { ...known, at, count: known.count + 1 });
    },
    take: (): Notes => {
      const taken = {
        acceptedAt: acceptedAt === null ? null : new Date(acceptedAt).toISOString(),
        entries: [...entries.values()],
        counts: [...counts.values()],
      };
      acceptedAt = null;
      entries = new Map();
      counts = new Map();
      return taken;
    },
  };
}

/** Alike is what is alike in everything and within the same minute. */
function keyOf({ kind, at, source, subject, code }: DeliveryEntry): string {
  return JSON.stringify([kind, at.slice(0, "2026-01-01T00:00".length), source, subject, code]);
}

/** What cannot be written is lost and said so: the answers were given, and keeping it would grow without bound. */
async function writeAll(
  { call, program }: DeliveryRecorderOptions,
  { acceptedAt, entries, counts }: Notes,
): Promise<void> {
  try {
    await call("clerk_sync_record_deliveries", {
      p_accepted_at: acceptedAt,
      p_entries: entries,
      p_counts: counts,
      ...(program === undefined ? {} : { p_program: program }),
    });
  } catch (error) {
    const code = errorCode(error);
    logger.warn("audit.not_written", { code, entries: entries.length, reason: errorMessage(error) });
  }
}
