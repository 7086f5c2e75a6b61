import type { Command } from "commander";
import { z } from "zod";
import type { Environment } from "#core/config/config.ts";
import { SyncError } from "#core/errors.ts";
import { readWebhookSecret } from "#core/http/sign-webhook.ts";
import type { CommandIo } from "../command-io.ts";
import { findTarget, requireSecret, type Target, targetOptionsSchema } from "../read-target.ts";
import { clocks, exitCodeOf, formatStep, formatVerdict } from "../verify/report.ts";
import { runVerify, type Verification } from "../verify/run-verify.ts";
import { wholeNumber } from "../whole-number.ts";

const examples = `
Examples:
  $ clerk-sync verify
  $ clerk-sync verify --env-file .env.production
  $ clerk-sync verify --url https://abc.supabase.co --timeout 120 --json   # the secrets in the environment, as in CI

Secrets belong into the environment or a file, as CLERK_SYNC_URL, CLERK_WEBHOOK_SECRET and SUPABASE_SECRET_KEY (and
SUPABASE_URL where the webhook is on a server of yours): what is typed as an option stays in the shell's history.
An endpoint with CLERK_INSTANCE_ID applies no other instance's events: give verify the same.

For some seconds there is one more row in users, user_clerksync_canary_…@canary.invalid: a trigger of yours on that
table sees it come and go. Exits with 0 only when everything held, with 130 when interrupted.`;

const optionsSchema = targetOptionsSchema.extend({
  timeout: wholeNumber("--timeout", 1, 3600),
  json: z.boolean().default(false),
});

/** Adds `clerk-sync verify`. */
export function addVerifyCommand(program: Command, io: CommandIo): void {
  program
    .command("verify")
    .description("Send a canary user through a deployed installation, see every hop happen, and take it out again.")
    .option("--url <url>", "the webhook, or the base URL of the project (default: the local server)")
    .option("--supabase-url <url>", "the project, where the webhook is not one of its functions")
    .option("--secret <whsec_…>", "the webhook's signing secret (default: the local server's)")
    .option("--secret-key <key>", "the project's secret key (default: the local server's)")
    .option("--env-file <file>", "variables to use, as the functions or the server have them")
    .option("--timeout <seconds>", "how long to wait for each job", "60")
    .option("--json", "print one JSON object and nothing else")
    .addHelpText("after", examples)
    .action(async (given: unknown) => verify(readOptions(given), io));
}

function readOptions(given: unknown): z.infer<typeof optionsSchema> {
  const parsed = optionsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new SyncError("usage_invalid", parsed.error.issues.map(({ message }) => message).join(" "));
}

async function verify(options: z.infer<typeof optionsSchema>, io: CommandIo): Promise<void> {
  const { target: found, environment } = await findTarget(options, io);
  const target = requireSecret(found);
  const rest = requireRest(target);
  readWebhookSecret(target.webhookSecret); // a damaged secret fails here, with its reason
  const print = options.json ? () => undefined : io.print;
  print(`A canary goes to ${target.webhookUrl}.`);
  const verification = await interruptible(io, (signal) =>
    runVerify(
      {
        endpoint: { url: target.webhookUrl, secret: target.webhookSecret },
        instanceId: readInstanceId(environment),
        rest,
        timeoutSeconds: options.timeout,
        signal,
        io,
      },
      (result) => formatStep(result).forEach(print),
    ),
  );
  if (options.json) io.print(JSON.stringify({ url: target.webhookUrl, ...verification, clocks }));
  else formatVerdict(verification).forEach(print);
  io.setExitCode(exitCodeOf(verification));
}

/** The first instance whose events the endpoint applies, as it has them in its own environment; null: all are. */
function readInstanceId(environment: Environment): string | null {
  return environment["CLERK_INSTANCE_ID"]?.split(",")[0]?.trim() || null;
}

function requireRest({ rest }: Target): NonNullable<Target["rest"]> {
  if (rest !== null) return rest;
  throw new SyncError(
    "usage_invalid",
    "verify looks at the row and the job, which takes the project's secret key: set SUPABASE_SECRET_KEY or pass --secret-key.",
  );
}

/** Ctrl-C ends the steps, not the clean-up. */
async function interruptible(
  io: CommandIo,
  run: (signal: AbortSignal) => Promise<Verification>,
): Promise<Verification> {
  const controller = new AbortController();
  const release = io.onInterrupt(() => {
    io.note("Interrupted: taking the canary out again. Once more ends at once, and leaves it to the next verify.");
    controller.abort();
  });
  try {
    return await run(controller.signal);
  } finally {
    release();
  }
}
