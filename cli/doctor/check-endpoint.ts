import { randomUUID } from "node:crypto";
import { networkReason } from "#core/http/network-reason.ts";
import { readWebhookSecret, signWebhook } from "#core/http/sign-webhook.ts";
import type { CommandIo } from "../command-io.ts";
import type { Finding } from "./finding.ts";

/** `secretName`: the variable or option that holds the secret; without a secret what needs one is skipped. */
type Endpoint = { webhookUrl: string; webhookSecret: string | null; secretName: string };
type Io = Pick<CommandIo, "fetch" | "clock">;
type Answer = { status: number; text: string; location: string | null; date: number | null };

const timeoutMilliseconds = 15_000; // as Svix
/** An event of a kind that is answered and not stored: it proves the signature and changes nothing. */
const probe = new TextEncoder().encode(JSON.stringify({ type: "clerk_sync.doctor", object: "event", data: {} }));

/** Looks at the webhook from outside, as Svix does: reachable, unsigned refused, wrong signature refused, secret right. */
export async function checkEndpoint(endpoint: Endpoint, io: Io): Promise<Finding[]> {
  const unsigned = await post(endpoint.webhookUrl, {}, io);
  if ("reason" in unsigned) {
    const remedy = "Is the server running, or the function deployed, and is the URL right?";
    return [{ check: "endpoint", state: "failed", what: unsigned.reason, remedy }];
  }
  const reached = explainUnsigned(unsigned);
  if (reached.state === "failed") return [reached];
  const wrong = await post(endpoint.webhookUrl, await sign(io, otherSecret), io);
  const secret = await checkSecret(endpoint, io);
  return [reached, explainWrong(wrong), secret, explainClock(unsigned, io.clock.now())];
}

async function checkSecret({ webhookUrl, webhookSecret, secretName }: Endpoint, io: Io): Promise<Finding> {
  const check = "secret";
  if (webhookSecret === null) {
    const remedy = "Set CLERK_WEBHOOK_SECRET or pass --secret.";
    return { check, state: "skipped", what: "no signing secret is known for this address", remedy };
  }
  if (isSecret(webhookSecret)) return explainRight(await post(webhookUrl, await sign(io, webhookSecret), io));
  const remedy = "Copy it again from Clerk's dashboard: Webhooks, the endpoint, Signing Secret.";
  return { check, state: "failed", what: `${secretName} is not whsec_ followed by base64`, remedy };
}

function isSecret(text: string): boolean {
  try {
    readWebhookSecret(text);
    return true;
  } catch {
    return false; // the one reason is that it is no base64
  }
}

const otherSecret = `whsec_${btoa("no secret of anybody's")}`;

function sign(io: Io, secret: string): Promise<Record<string, string>> {
  const timestamp = Math.floor(io.clock.now() / 1000);
  return signWebhook({ secret, id: `msg_doctor_${randomUUID()}`, timestamp, body: probe });
}

async function post(url: string, headers: Record<string, string>, io: Io): Promise<Answer | { reason: string }> {
  try {
    const response = await io.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: probe,
      redirect: "manual", // a redirect is a failure for Svix
      signal: AbortSignal.timeout(timeoutMilliseconds),
    });
    const date = Date.parse(response.headers.get("date") ?? "");
    return {
      status: response.status,
      text: await response.text(),
      location: response.headers.get("location"),
      date: Number.isNaN(date) ? null : date,
    };
  } catch (error) {
    return { reason: `${url}: ${networkReason(error)}` };
  }
}

type Explanation = { when: (answer: Answer) => boolean; what: (answer: Answer) => string; remedy: string };

const unsignedFailures: readonly Explanation[] = [
  {
    when: ({ status }) => status >= 300 && status < 400,
    what: ({ status, location }) =>
      `answers ${status} to ${location ?? "somewhere else"}; Svix takes that for a failure`,
    remedy: "Enter the address it redirects to in Clerk's dashboard, or take the webhook's path out of the middleware.",
  },
  {
    when: ({ status }) => status === 404,
    what: () => "nothing is served there (404)",
    remedy: "The path is /functions/v1/clerk-webhook. Deploy the function, or correct the URL.",
  },
  {
    when: ({ status, text }) => status === 503 && text.includes("The webhook is off"),
    what: () => "the webhook is off",
    remedy: "Set CLERK_WEBHOOK_SECRET to the endpoint's signing secret.",
  },
  {
    when: ({ status, text }) => status === 401 && !text.includes("Invalid signature"),
    what: () => "something before the webhook answers 401",
    remedy: "Deploy it with --no-verify-jwt, or take its path out of the middleware that checks sessions.",
  },
  {
    when: ({ status }) => status === 429,
    what: () => "too many wrong signatures came from this address (429)",
    remedy: "Ask again in a minute.",
  },
  {
    when: ({ status }) => status !== 401,
    what: ({ status }) => `answers ${status} to an unsigned request, not 401`,
    remedy: "Something else answers at this address, or the function does not start: look at its log.",
  },
];

function explainUnsigned(answer: Answer): Finding {
  const failure = unsignedFailures.find(({ when }) => when(answer));
  if (failure === undefined) return { check: "endpoint", state: "ok", what: "reached; an unsigned request is refused" };
  return { check: "endpoint", state: "failed", what: failure.what(answer), remedy: failure.remedy };
}

function explainWrong(answer: Answer | { reason: string }): Finding {
  const check = "signature";
  if ("status" in answer && (answer.status === 401 || answer.status === 429))
    return { check, state: "ok", what: "a wrong signature is refused" };
  const what = "reason" in answer ? answer.reason : `a wrong signature is answered ${answer.status}`;
  return { check, state: "failed", what, remedy: "Do not use this endpoint: it believes anybody." };
}

function explainRight(answer: Answer | { reason: string }): Finding {
  const check = "secret";
  if ("status" in answer && answer.status === 200) return { check, state: "ok", what: "the signing secret is right" };
  const what = "reason" in answer ? answer.reason : `a signed event is answered ${answer.status}`;
  const remedy =
    "Compare it with Clerk's dashboard (Webhooks, the endpoint, Signing Secret) and with the server's CLERK_WEBHOOK_SECRET.";
  return { check, state: "failed", what, remedy };
}

/** Signatures are good for five minutes either way (Svix, "Verifying payloads"). */
function explainClock({ date }: Answer, now: number): Finding {
  const check = "clock";
  if (date === null) {
    const remedy = "Compare the server's clock with this one by hand; beyond 300 s every signature is refused.";
    return { check, state: "skipped", what: "the answer carries no date", remedy };
  }
  const seconds = Math.round(Math.abs(now - date) / 1000);
  if (seconds <= 60) return { check, state: "ok", what: "this machine and the server agree" };
  const remedy = "Set the clock of the one that is wrong by NTP; beyond 300 s every signature is refused.";
  return { check, state: seconds > 300 ? "failed" : "warning", what: `the clocks are ${seconds} s apart`, remedy };
}
