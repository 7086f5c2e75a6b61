import { getConnInfo } from "@hono/node-server/conninfo";
import { type Context, Hono } from "hono";
import type { HandleAdmin } from "#core/admin/handle-admin.ts";
import { type EnsureUserDependencies, handleEnsureUser } from "#core/ensure-user/handle-ensure-user.ts";
import { type HealthDependencies, handleHealth } from "#core/health/handle-health.ts";
import { json } from "#core/http/json-response.ts";
import { readSource } from "#core/http/read-source.ts";
import { handleWebhook, type WebhookDependencies } from "#core/webhook/handle-webhook.ts";
import { handleProcessor, type ProcessorDependencies } from "#core/worker/handle-processor.ts";
import type { AdminPage } from "./admin-page.ts";

type AppDependencies = {
  /** Null, like ensureUser, on an instance that only works through the queue. */
  webhook: WebhookDependencies | null;
  trustedProxies: number;
  /** Null on an instance that only takes events. */
  processor: ProcessorDependencies | null;
  ensureUser: EnsureUserDependencies | null;
  /** GET /health: whether this instance can serve, for its container. */
  health: () => Promise<Response>;
  /** sync-health: how the sync is, whichever instance is asked. */
  syncHealth: HealthDependencies;
  /** sync-admin: what operators do, on every instance. */
  admin: HandleAdmin;
  /** GET /metrics, for Prometheus; null: nothing is configured that would prove who may read. */
  metrics: ((request: Request) => Promise<Response>) | null;
  /** Null where it was not built. */
  adminPage: AdminPage | null;
  /** Stand-ins of what a Supabase project serves at these paths; none where a real one is used. */
  standIns: Readonly<Record<string, Hono>>;
};

/** The routes of the server: those of Supabase at the paths they have there, and the probes. */
export function createApp(dependencies: AppDependencies): Hono {
  const { webhook, trustedProxies, processor, ensureUser, health, syncHealth, admin, metrics, adminPage, standIns } =
    dependencies;
  const app = new Hono({ strict: false }); // a trailing slash in Clerk's dashboard is no reason to lose events
  app.get("/health", () => health());
  app.get("/health/live", () => json(200, { status: "ok" }));
  if (metrics !== null) app.get("/metrics", (context) => metrics(context.req.raw));
  if (webhook !== null) {
    app.all("/functions/v1/clerk-webhook", (context) =>
      handleWebhook(context.req.raw, webhook, sourceOf(context, trustedProxies)),
    );
  }
  if (processor !== null) {
    app.all("/functions/v1/user-job-processor", (context) => handleProcessor(context.req.raw, processor));
  }
  if (ensureUser !== null)
    app.all("/functions/v1/ensure-user", (context) => handleEnsureUser(context.req.raw, ensureUser));
  app.all("/functions/v1/sync-health", (context) => handleHealth(context.req.raw, syncHealth));
  for (const path of ["/functions/v1/sync-admin", "/functions/v1/sync-admin/*"]) {
    app.all(path, (context) => admin(context.req.raw, sourceOf(context, trustedProxies)));
  }
  if (adminPage !== null) {
    for (const path of ["/admin", "/admin/*"]) app.get(path, (context) => adminPage(context.req.raw));
  }
  const readOnly = ["/health", "/health/live"];
  if (metrics !== null) readOnly.push("/metrics");
  if (adminPage !== null) readOnly.push("/admin", "/admin/*");
  for (const path of readOnly) app.on(unsafe, path, refuseMethod);
  for (const [path, standIn] of Object.entries(standIns)) app.route(path, standIn);
  const hint =
    webhook === null
      ? "This instance is a worker and takes no events."
      : "Clerk's endpoint is /functions/v1/clerk-webhook.";
  app.notFound((context) =>
    context.json({ error: `Nothing is served at ${context.req.path}. ${hint}`, code: "not_found" }, 404),
  );
  return app;
}

/** Methods that would change something; what is served by GET takes none of them. */
const unsafe = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function refuseMethod(): Response {
  return json(405, { error: "Ask by GET or HEAD.", code: "method_not_allowed" }, { allow: "GET, HEAD" });
}

function sourceOf(context: Context, trust: number): string {
  const socketAddress = getConnInfo(context).remote.address;
  return readSource({ forwardedFor: context.req.header("x-forwarded-for") ?? null, socketAddress, trust });
}
