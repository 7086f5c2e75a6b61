import { networkReason } from "#core/http/network-reason.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";

const check = "processor";
const timeoutMilliseconds = 15_000;
const webhookName = /\/clerk-webhook$/;

/** Calls the processor without a key: it must be there, and it must be the processor that refuses. */
export async function checkProcessor(webhookUrl: string, io: Pick<CommandIo, "fetch">): Promise<Finding> {
  if (!webhookName.test(webhookUrl)) {
    const remedy = "Where the processor is a function, pass the project's base URL as --url.";
    return { check, state: "skipped", what: "the webhook has a path of its own; the processor's is not known", remedy };
  }
  try {
    const response = await io.fetch(webhookUrl.replace(webhookName, "/user-job-processor"), {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    return explain(response.status, await response.text());
  } catch (error) {
    const remedy = "Is the server running, or the function deployed?";
    return { check, state: "failed", what: networkReason(error), remedy };
  }
}

function explain(status: number, text: string): Finding {
  if (status === 401 && text.includes('"caller_unauthorized"')) {
    return { check, state: "ok", what: "reached; a call without a key is refused" };
  }
  if (status === 401) {
    const remedy = "Deploy it with --no-verify-jwt, or the schedule's key never reaches it.";
    return { check, state: "failed", what: "something before the processor answers 401", remedy };
  }
  if (status === 404) {
    const remedy = "Run: npx supabase functions deploy user-job-processor --no-verify-jwt";
    return { check, state: "failed", what: "nothing is served there (404): retries wait for ever", remedy };
  }
  const remedy = "It does not start, or it is not the processor: look at the function's log.";
  return { check, state: "failed", what: `answers ${status} to a call without a key, not 401`, remedy };
}
