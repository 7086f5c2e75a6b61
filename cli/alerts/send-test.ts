import { z } from "zod";
import { callRpc, type Rest } from "../call-rpc.ts";
import type { CommandIo } from "../command-io.ts";
import { type AlertState, nobodyIsTold } from "../doctor/check-alerts.ts";
import type { Finding } from "../doctor/finding.ts";
import { readAlertState, rpcFailed } from "./read-state.ts";

/** A Node server looks every half minute; an Edge Function is called right away. */
const patienceMilliseconds = 60_000;
const pauseMilliseconds = 1000;
const timeoutMilliseconds = 120_000;
const webhookName = /\/clerk-webhook$/;

/**
 * Sends a test notice the way every notice goes: it is put into the database, whoever works on the queue sends it to what
 * is configured there, and here is asked what became of it. A finding for each target.
 * Throws SyncError `endpoint_unreachable` and `database_rejected`.
 */
export async function sendTestAlert(target: { rest: Rest; webhookUrl: string }, io: CommandIo): Promise<Finding[]> {
  const { rest } = target;
  const name = "clerk_sync_test_alert";
  const made = await callRpc(rest, { name, args: {}, schema: z.string() }, io);
  if ("reason" in made) throw rpcFailed(made);
  const isCalled = await callProcessor(target, io);
  const deadline = io.clock.now() + patienceMilliseconds;
  for (;;) {
    const state = await readAlertState(rest, io, made.value);
    const findings = explain(state);
    const isOver = state.targets.length === 0 ? isCalled : findings.every((finding) => finding.state !== "skipped");
    if (isOver || io.clock.now() >= deadline) return findings;
    await io.clock.sleep(pauseMilliseconds);
  }
}

/** Whether the processor was called, and is through with it. Where it is not, the worker's next look is waited for. */
async function callProcessor({ rest, webhookUrl }: { rest: Rest; webhookUrl: string }, io: CommandIo) {
  if (!webhookName.test(webhookUrl)) return false;
  try {
    const response = await io.fetch(webhookUrl.replace(webhookName, "/user-job-processor"), {
      method: "POST",
      headers: { apikey: rest.secretKey },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    io.note(
      `The processor could not be called (${error instanceof Error ? error.name : "unknown"}); waiting for a worker.`,
    );
    return false;
  }
}

function explain({ targets, notices }: AlertState): Finding[] {
  const check = "alerts";
  if (targets.length === 0) return [{ check, state: "failed", ...nobodyIsTold }];
  return targets.map(({ name }) => {
    const notice = notices.find(({ target }) => target === name);
    if (notice?.sent_at) return { check, state: "ok", what: `${name} accepted the test notice` };
    if (notice?.last_error) {
      const remedy = "docs/errors.md explains the code; is the URL right where the queue is worked on?";
      return { check, state: "failed", what: `${name} did not take the test notice: ${notice.last_error}`, remedy };
    }
    const remedy = "Does a worker run, or is the processor called? clerk-sync doctor says.";
    return { check, state: "skipped", what: `${name}: nobody has sent the test notice yet`, remedy };
  });
}
