import { listTargets, type TargetName } from "#core/alerts/post-notice.ts";
import { createSendAlerts } from "#core/alerts/send-alerts.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { createQueue, type Queue } from "../database/queue.ts";
import { type AlertReceiver, startAlertReceiver } from "./alert-receiver.ts";

export type AlertSystem = {
  queue: Queue;
  receiver: AlertReceiver;
  /** The time so many seconds after the start, ISO 8601. */
  at: (seconds: number) => string;
  /** Lets a worker look so many seconds after the start; of several at once each is a worker of its own. */
  lookAt: (...seconds: number[]) => Promise<void>;
  /** What the workers have configured from now on; both in the beginning. */
  configure: (...names: TargetName[]) => void;
  /** What arrived, by the kind and code of the incident: "opened queue_late". */
  told: (target?: TargetName) => string[];
  stop: () => Promise<void>;
};

export const alertSecret = "whsec_plJ3nmyCDGBKInavdOK15jslplJ3nmyC";

/** A queue, workers that look for incidents at times the test says, and whom they tell. */
export async function startAlertSystem(): Promise<AlertSystem> {
  const queue = await createQueue();
  const receiver = await startAlertReceiver();
  const call = createCallFunction(queue.pool);
  const start = Date.now();
  const all = listTargets({
    webhookUrl: `${receiver.url}/webhook`,
    webhookSecret: alertSecret,
    slackUrl: `${receiver.url}/slack`,
    adminUrl: null,
  });
  let targets = all;
  const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
  const look = (seconds: number) => {
    const p_now = at(seconds);
    const callThen: typeof call = (name, args) => call(name, { ...args, p_now });
    return createSendAlerts({ call: callThen, targets, adminUrl: null, fetch, now: Date.now })();
  };
  return {
    queue,
    receiver,
    at,
    lookAt: async (...seconds) => void (await Promise.all(seconds.map(look))),
    configure: (...names) => {
      targets = all.filter(({ name }) => names.includes(name));
    },
    told: (target = "webhook") =>
      receiver.received
        .filter(({ path }) => path === `/${target}`)
        .map(({ body }) => (target === "webhook" ? nameOf(body) : String(body["text"]))),
    stop: async () => {
      await receiver.stop();
      await queue.drop();
    },
  };
}

function nameOf(body: Record<string, unknown>): string {
  const { incident } = body["data"] as { incident: { code: string; subject: string } };
  return [String(body["type"]).replace("incident.", ""), incident.code, incident.subject].filter(Boolean).join(" ");
}
