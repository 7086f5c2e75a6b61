import { once } from "node:events";
import type { Server } from "node:http";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import type { DeleteBrake } from "#core/config/config.ts";
import { createReadHealth } from "#core/health/read-health.ts";
import { createCheckCaller } from "#core/http/check-caller.ts";
import { createAuthAdmin } from "#core/mirror/auth-admin.ts";
import { createMirrorUser } from "#core/mirror/mirror-user.ts";
import { createLoadLimit } from "#core/webhook/limit-load.ts";
import { createRateLimit } from "#core/webhook/limit-rate.ts";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { processQueue, type QueueDependencies } from "#core/worker/process-queue.ts";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";
import { createAuthStandIn } from "../../../local/supabase/auth/routes.ts";
import { createRestStandIn } from "../../../local/supabase/rest-api.ts";
import { createApp } from "../../../server/app.ts";
import { createCallFunction } from "../../../server/call-function.ts";
import { rootFields } from "../clerk/root-fields.ts";
import { createQueue, type Queue } from "../database/queue.ts";

export type PartialSystem = Queue & {
  url: string;
  secretKey: string;
  webhookSecret: string;
  /** What does not work: nobody takes jobs, Auth answers 503, deletions are counted by this brake. A test changes it. */
  faults: { noWorker: boolean; authDown: boolean; brake: DeleteBrake | null };
  /** Works through what is due, with Auth as it is now. */
  work: () => Promise<void>;
  stop: () => Promise<void>;
};

const [secretKey, webhookSecret] = ["sb_secret_test_0123456789", "whsec_plJ3nmyCDGBKInavdOK15jsl"];

/** The whole system in one process, whose worker and Auth can be taken out. */
export async function startPartialSystem(): Promise<PartialSystem> {
  const queue = await createQueue();
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const faults: PartialSystem["faults"] = { noWorker: false, authDown: false, brake: null };
  const underWay = new Set<Promise<unknown>>();
  const work = async () => {
    const run = processQueue(createWork(queue, url, faults.brake), { budgetMilliseconds: 5000 });
    underWay.add(run);
    await run.finally(() => underWay.delete(run));
  };
  const app = createRoutes(queue, url, faults, work);
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  if (!server.listening) await once(server, "listening");
  return {
    ...queue,
    url,
    secretKey,
    webhookSecret,
    faults,
    work,
    stop: async () => {
      await Promise.allSettled(underWay);
      server.close();
      server.closeAllConnections();
      await queue.drop();
    },
  };
}

function createWork({ database }: Queue, supabaseUrl: string, deleteBrake: DeleteBrake | null): QueueDependencies {
  const mirrorUser = createMirrorUser(createAuthAdmin({ supabaseUrl, secretKey }));
  return { database, mirrorUser, readUser: null, fields: rootFields, deleteBrake, now: Date.now };
}

function createRoutes(queue: Queue, url: string, faults: PartialSystem["faults"], work: () => Promise<void>): Hono {
  const authStandIn = new Hono()
    .use((_, next) => (faults.authDown ? Promise.resolve(new Response("", { status: 503 })) : next()))
    .route("/", createAuthStandIn({ pool: queue.pool, secretKey }));
  return createApp({
    webhook: {
      acceptEvents: queue.database.enqueue,
      verifySignature: createVerifySignature([webhookSecret], Date.now),
      fields: rootFields,
      loadLimit: createLoadLimit({ events: 16, bytes: 1_000_000, now: Date.now }),
      rateLimit: createRateLimit({ maxPerSecond: 100, badSignaturesPerMinute: 100, now: Date.now }),
      maxAttempts: 15,
      onQueued: () => void (faults.noWorker || work()),
    },
    trustedProxies: 0,
    processor: {
      ...createWork(queue, url, faults.brake),
      checkCaller: createCheckCaller([secretKey]),
      budgetMilliseconds: 5000,
      retentionDays: 30,
      slices: null,
      supervision: {
        beat: async () => undefined,
        sendAlerts: async () => undefined,
      },
    },
    ensureUser: null,
    health: async () => new Response(null, { status: 404 }),
    syncHealth: {
      readHealth: createReadHealth({ call: createCallFunction(queue.pool), now: Date.now }),
      checkCaller: createCheckCaller([secretKey]),
    },
    admin: async () => new Response(null, { status: 404 }),
    metrics: null,
    adminPage: null,
    standIns: { "/rest/v1": createRestStandIn({ pool: queue.pool, secretKey }), "/auth/v1": authStandIn },
  });
}
