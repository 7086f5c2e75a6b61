import { Hono } from "hono";
import { type EnsureUserDependencies, handleEnsureUser } from "#core/handle-ensure-user.ts";
import { handleProcessor, type ProcessorDependencies } from "#core/handle-processor.ts";
import { handleWebhook, type WebhookDependencies } from "#core/handle-webhook.ts";

export type AppDependencies = {
  webhook: WebhookDependencies;
  processor: ProcessorDependencies;
  ensureUser: EnsureUserDependencies;
  /** Stand-ins of what a Supabase project serves at these paths; none where a real one is used. */
  standIns: Readonly<Record<string, Hono>>;
};

/** The routes of the server, at the paths they have on hosted Supabase. */
export function createApp(dependencies: AppDependencies): Hono {
  const app = new Hono({ strict: false }); // a trailing slash in Clerk's dashboard is no reason to lose events
  app.all("/functions/v1/clerk-webhook", (context) => handleWebhook(context.req.raw, dependencies.webhook));
  app.all("/functions/v1/user-job-processor", (context) => handleProcessor(context.req.raw, dependencies.processor));
  app.all("/functions/v1/ensure-user", (context) => handleEnsureUser(context.req.raw, dependencies.ensureUser));
  for (const [path, standIn] of Object.entries(dependencies.standIns)) app.route(path, standIn);
  app.notFound((context) =>
    context.json(
      {
        error: `Nothing is served at ${context.req.path}. Clerk's endpoint is /functions/v1/clerk-webhook.`,
        code: "not_found",
      },
      404,
    ),
  );
  return app;
}
