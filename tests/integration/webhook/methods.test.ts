import { afterAll, beforeAll, expect, it } from "vitest";
import { adminRoutes } from "../../support/admin/ask-admin.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";

let system: AdminSystem;
beforeAll(async () => {
  system = await startAdminSystem();
});
afterAll(() => system?.stop());

const declared = new Map<string, string[]>([
  ["/health", ["GET"]],
  ["/health/live", ["GET"]],
  ["/functions/v1/clerk-webhook", ["POST"]],
  ["/functions/v1/user-job-processor", ["POST"]],
  ["/functions/v1/ensure-user", ["POST"]],
  ["/functions/v1/sync-health", ["GET"]],
]);
for (const { path, method } of adminRoutes) {
  const full = `/functions/v1/sync-admin${path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace(/\{\w+\}/, "auth")}`;
  declared.set(full, [...(declared.get(full) ?? []), method.toUpperCase()]);
}
/** `/jobs/retry` is the POST of its own path and a job's id for GET. */
const alsoOther = /jobs\/(retry|cancel|count)$|runs\/cancel$/;

it.each([...declared])("%s answers an undeclared method 405, and says which it takes", async (path, methods) => {
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
    if (methods.includes(method) || (method === "GET" && alsoOther.test(path))) continue;
    const response = await fetch(`${system.server.settings.url}${path}`, {
      method,
      headers: { apikey: system.server.settings.secretKey },
    });
    expect(`${method} ${response.status}`).toBe(`${method} 405`);
    expect(response.headers.get("allow")).toContain(methods[0]);
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  }
});
