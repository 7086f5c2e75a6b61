import { afterAll, beforeAll, expect, it } from "vitest";
import type { AdminRoute } from "#core/admin/route.ts";
import { adminRoutes } from "../../support/admin/ask-admin.ts";
import { type AdminSystem, startAdminSystem } from "../../support/systems/admin-system.ts";

let system: AdminSystem;
beforeAll(async () => {
  system = await startAdminSystem();
});
afterAll(() => system?.stop());

/** As it stands in a JSON text and in an address; `refused`: no parameter may have it. */
const values = [
  { json: '"\\u0000"', address: "%00", refused: true },
  { json: '"user_\\u0000a"', address: "user_%00a", refused: true },
  { json: '"\\ud800"', address: "%ED%A0%80", refused: false },
  { json: '"user_\\udc00a"', address: "%FF", refused: false },
  ...[
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+15:00",
    "0000-12-31T23:59:59-15:59",
    "2026-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00-16:00",
    "9999-12-31T23:59:59-15:59",
    "9".repeat(40),
    "1e400",
    "-1",
    "00",
    "7b7d",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
  ].map((text) => ({ json: JSON.stringify(text), address: encodeURIComponent(text), refused: false })),
];

const params: Record<string, string> = {
  id: "00000000-0000-4000-8000-000000000000",
  clerk_id: "user_1",
  name: "auth",
};
const uuid = params["id"];
const time = "2026-01-01T00:00:00Z";
const filter = {
  source: "webhook",
  clerk_id: "user_1",
  event_id: "msg_1",
  code: "x",
  created_after: time,
  created_before: time,
  q: "user_1",
};
const action = { filter, operation: uuid, before: time };

/** A right body of each route that takes one. */
const bodies: Record<string, object> = {
  "/sign-in": { name: "Ada" },
  "/jobs/count": { filter, action: "retry" },
  "/jobs/retry": action,
  "/jobs/cancel": action,
  "/brake/release": { decision: "apply" },
  "/runs": { kind: "sweep", applies: false },
};

type Probe = { method: "GET" | "POST"; path: string; body?: string; name: string; refused: boolean };

/** Each route with one value after the other in one of its parameters. */
function probesOf(route: AdminRoute): Probe[] {
  const method = route.method === "get" ? "GET" : "POST";
  const fill = (known: Record<string, string>) =>
    route.path.replace(/\{(\w+)\}/g, (_, name: string) => known[name] ?? "");
  const path = fill(params);
  const text = route.body === undefined ? "" : JSON.stringify(bodies[route.path]);
  return values.flatMap(
    ({ json, address, refused }) =>
      [
        ...Object.keys(route.params?.shape ?? {}).map((name) => ({
          method,
          path: fill({ ...params, [name]: address }),
          name,
          refused,
        })),
        ...Object.keys(route.query?.shape ?? {}).map((name) => ({
          method,
          path: `${path}?${name}=${address}`,
          name,
          refused,
        })),
        ...[...text.matchAll(/"(\w+)":"[^"]*"/g)].map((found) => ({
          method,
          path,
          name: found[1] ?? "",
          refused: refused || json.includes("\\ud"),
          body: text.replace(found[0], `"${found[1]}":${json}`),
        })),
      ] as Probe[],
  );
}

it("every route that takes a body is probed", () => {
  expect(
    adminRoutes
      .filter(({ body }) => body !== undefined)
      .map((route) => route.path)
      .sort(),
  ).toEqual(Object.keys(bodies).sort());
});

it.each(
  adminRoutes
    .filter((route) => probesOf(route).length > 0)
    .map((route) => [`${route.method} ${route.path}`, route] as const),
)("%s refuses what PostgreSQL cannot take, and names the parameter", async (_, route) => {
  for (const { method, path, body, name, refused } of probesOf(route)) {
    const response = await fetch(`${system.url}${path}`, {
      method,
      headers: { apikey: system.server.settings.secretKey },
      ...(body === undefined ? {} : { body }),
    });
    const answer = (await response.json()) as { error?: string };
    const asked = `${method} ${path} ${body ?? ""}: ${JSON.stringify(answer).slice(0, 200)}`;
    expect(response.status, asked).toBeLessThan(500);
    if (!refused) continue;
    expect(response.status, asked).toBe(400);
    expect(answer.error, asked).toContain(name);
  }
});
