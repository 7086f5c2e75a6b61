import { errorCode, SyncError } from "../errors.ts";
import { createSources, take } from "../http/limit-sources.ts";
import { logger } from "../logger.ts";
import type { AdminDatabase } from "./database.ts";

/** Counts an attempt to prove oneself that failed; throws SyncError `rate_limited` beyond what a source may get wrong. */
export type RefuseSignIn = (source: string, code: string) => Promise<void>;

type SignInLimitOptions = {
  database: Pick<AdminDatabase, "noteAction">;
  /** Unix milliseconds. */
  now: () => number;
};

const perMinute = { source: 10, audit: 30 };
const maxSources = 10_000;

/**
 * Makes the limit of failed attempts, in memory and by source. As at the webhook a source is limited in what it gets
 * wrong, never in what it gets right: an address can be forged, and an operator must not be locked out by who does. The
 * keys are too long to be guessed; what is limited is the work and the audit, which has thirty of them a minute at most.
 */
export function createSignInLimit({ database, now }: SignInLimitOptions): RefuseSignIn {
  const sources = createSources(rateOf(perMinute.source), maxSources, now);
  const audit = { tokens: perMinute.audit, at: now() };
  return async (source, code) => {
    if (!sources.take(source)) {
      throw new SyncError("rate_limited", "Too many failed attempts from this address. Wait a minute.", {
        retryable: true,
        retryAfterSeconds: 60,
      });
    }
    logger.warn("admin.sign_in_refused", { code });
    if (!take(audit, rateOf(perMinute.audit), now())) return;
    await database
      .noteAction({ actor: source, code: "sign_in_refused", subject: code })
      .catch((error: unknown) => logger.warn("audit.not_written", { code: errorCode(error) }));
  };
}

function rateOf(most: number) {
  return { most, perMillisecond: most / 60_000 };
}
