import { describe, expect, it } from "vitest";
import { adminKey, adminOptions, adminRoutes, checkAnswer } from "../../../../../tests/support/admin/ask-admin.ts";
import { captureLog } from "../../../../../tests/support/processes/capture-log.ts";
import { databaseError } from "../database/database.ts";
import { type AdminOptions, createAdmin, createHandleAdmin } from "./handle-admin.ts";
import { createAdminTokens } from "./token.ts";

const base = "https://project.example/functions/v1/sync-admin";
const key = { apikey: adminKey };
const routeNames = adminRoutes.map(({ method, path }) => [method.toUpperCase(), path] as const);

function createHandle(changes: Partial<AdminOptions> = {}) {
  const calls: string[] = [];
  const call: AdminOptions["call"] = async (name, args) => {
    calls.push(name);
    return changes.call?.(name, args) ?? null;
  };
  const handle = createHandleAdmin(adminOptions({ ...changes, call }));
  const ask = async (method: string, path: string, headers: Record<string, string> = key, body?: unknown) => {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const init = { method, headers, ...(text === undefined ? {} : { body: text }) };
    const response = await handle(new Request(`${base}${path}`, init), "203.0.113.7");
    const answer = response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
    if (response.status !== 204) checkAnswer({ method, path, status: response.status, answer });
    return { status: response.status, headers: response.headers, body: answer };
  };
  return { ask, calls };
}

const viewer = async () => {
  const tokens = createAdminTokens({ secretKeys: [adminKey], now: Date.now });
  const { token } = await tokens.sign({ name: "Bob", right: "viewer", clerkId: null });
  return { authorization: `Bearer ${token}` };
};
const filled = (path: string) =>
  path.replace("{id}", crypto.randomUUID()).replace("{clerk_id}", "user_1").replace("{name}", "auth");

describe("the document", () => {
  it("has every route of the app, and the app has every route of it", async () => {
    const { app, routes } = createAdmin(adminOptions());
    const document = (await createHandle().ask("GET", "/openapi.json")).body as { paths: Record<string, object> };
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    const handled = new Set(
      app.routes
        .filter(({ method }) => method !== "ALL")
        .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, "{$1}")}`),
    );
    expect(described.slice().sort()).toEqual([...handled].sort());
    expect(described.slice().sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  it("says of each route who may, what goes in, and what comes out", async () => {
    const { body } = await createHandle().ask("GET", "/openapi.json");
    for (const route of adminRoutes) {
      const operation = (body["paths"] as Record<string, Record<string, Record<string, unknown>>>)[route.path]?.[
        route.method
      ];
      expect(operation).toMatchObject({ summary: route.summary, "x-right": route.right });
      expect(operation?.["requestBody"] !== undefined).toBe(route.body !== undefined);
      expect(Object.keys(operation?.["responses"] ?? {})).toEqual(["200", "4XX", "5XX"]);
      const parameters = (operation?.["parameters"] ?? []) as { name: string }[];
      const named = [route.params, route.query].flatMap((schema) => Object.keys(schema?.shape ?? {}));
      expect(parameters.map(({ name }) => name).sort()).toEqual(named.sort());
    }
  });

  it("is under the same path on Supabase, where the gateway has taken the first part of it away", async () => {
    const handle = createHandleAdmin(adminOptions());
    const ask = (url: string) => handle(new Request(url, { headers: key }), "unknown").then(({ status }) => status);
    expect(await ask("https://edge.example/sync-admin/me")).toBe(200);
    expect(await ask("https://edge.example/sync-admin/me/")).toBe(200);
    expect(await ask(`${base}/me`)).toBe(200);
    expect(await ask("https://edge.example/sync-administrators/me")).toBe(404);
  });
});

describe("who may", () => {
  it.each(routeNames)("nobody unknown: %s %s", async (method, path) => {
    const { ask, calls } = createHandle();
    expect((await ask(method, filled(path), {})).status).toBe(401);
    expect((await ask(method, filled(path), { apikey: "sb_publishable_1" })).status).toBe(401);
    expect(calls).toEqual(["clerk_sync_note_action"]); // of the second, that it was refused
  });

  const mutating = adminRoutes.filter(({ method, path }) => method === "post" && path !== "/jobs/count");
  it.each(mutating.map(({ path }) => path))("a viewer cannot act: %s", async (path) => {
    const { ask, calls } = createHandle();
    expect(await ask("POST", filled(path), await viewer(), { name: "Bob" })).toMatchObject({
      status: 403,
      body: { code: "right_missing" },
    });
    expect(calls).toEqual([]);
  });

  const reading = adminRoutes.filter(({ path, method }) => method === "get" || path === "/jobs/count");
  it.each(reading.map(({ method, path }) => [method, path] as const))("a viewer reads: %s %s", async (method, path) => {
    const { ask } = createHandle();
    const body = method === "post" ? { filter: {}, action: "retry" } : undefined;
    expect((await ask(method.toUpperCase(), filled(path), await viewer(), body)).status).not.toBe(403);
  });

  it("an operator makes a token for a viewer, and the audit knows who did", async () => {
    const notes: unknown[] = [];
    const { ask } = createHandle({ call: async (_, args) => void notes.push(args) });
    const { body } = await ask(
      "POST",
      "/sign-in",
      { ...key, "x-clerk-sync-actor": "Ada" },
      { name: "Bob", right: "viewer" },
    );
    expect(notes).toMatchObject([
      { p_actor: "Ada", p_code: "sign_in", p_subject: "Bob", p_detail: { right: "viewer" } },
    ]);
    const me = await ask("GET", "/me", { authorization: `Bearer ${body["token"]}` });
    expect(me.body).toEqual(body["caller"]);
    expect(me.body).toMatchObject({ name: "Bob", right: "viewer", by: "admin_token" });
  });

  it("an admin token makes no token for an operator, so none lives on by the next", async () => {
    const { ask } = createHandle();
    const { body } = await ask("POST", "/sign-in", key, { name: "Ada" });
    const own = { authorization: `Bearer ${body["token"]}` };
    expect((await ask("POST", "/sign-in", own, { name: "Ada" })).status).toBe(403);
    expect((await ask("POST", "/sign-in", own, { name: "Bob", right: "viewer" })).status).toBe(200);
  });

  it("nobody at all while there is no secret key", async () => {
    expect((await createHandle({ secretKeys: [] }).ask("GET", "/me", { apikey: "" })).status).toBe(401);
    expect((await createHandle({ secretKeys: [""] }).ask("GET", "/me", { apikey: "" })).status).toBe(401);
  });
});

describe("what is sent", () => {
  it.each([
    ["GET", "/jobs?stat=DEAD", undefined],
    ["GET", "/jobs?status=dead", undefined],
    ["GET", "/jobs?limit=201", undefined],
    ["GET", "/jobs/7", undefined],
    ["GET", "/series?window=1y", undefined],
    ["POST", "/jobs/retry", {}],
    ["POST", "/jobs/retry", { ids: [] }],
    ["POST", "/jobs/retry", { filter: {} }],
    ["POST", "/jobs/retry", "no json"],
    ["POST", "/jobs/retry", ""],
    ["POST", "/brake/release", { decision: "maybe" }],
    ["POST", "/circuits/toaster/reset", undefined],
    ["POST", "/sign-in", { name: "\u200b" }],
    ["POST", "/sign-in", { name: "Ada", right: "king" }],
  ])("%s %s with %o is refused before anything is done", async (method, path, body) => {
    const { ask, calls } = createHandle();
    expect(await ask(method, path, key, body)).toMatchObject({ status: 400, body: { code: "request_invalid" } });
    expect(calls).toEqual([]);
  });

  it("is at most 64 kB", async () => {
    expect((await createHandle().ask("POST", "/jobs/retry", key, " ".repeat(65_537))).status).toBe(413);
  });

  it("to a route that there is none of is 404, and 405 by a method that it does not have", async () => {
    expect(await createHandle().ask("GET", "/nothing")).toMatchObject({ status: 404, body: { code: "not_found" } });
    expect(await createHandle().ask("DELETE", "/jobs")).toMatchObject({
      status: 405,
      body: { code: "method_not_allowed" },
    });
  });
});

describe("what is answered", () => {
  it.each([
    ["57P03", 503, "database_unavailable"],
    ["42501", 503, "database_rejected"],
  ])("a database that says %s is %i", async (state, status, code) => {
    await captureLog();
    const call = () => Promise.reject(databaseError("f", state, { code: state }));
    expect(await createHandle({ call }).ask("GET", "/overview")).toMatchObject({ status, body: { code } });
  });

  it("what only the database can check is the caller's to mend, in its words", async () => {
    const call = () => Promise.reject(databaseError("f", "SY002", { code: "SY002", message: "this is no cursor" }));
    expect(await createHandle({ call }).ask("GET", "/jobs?cursor=x")).toMatchObject({
      status: 400,
      body: { error: "this is no cursor.", code: "request_invalid" },
    });
  });

  it("a failure of our own says nothing of itself, and the log does", async () => {
    const lines = await captureLog();
    const call = () => Promise.reject(new Error("ada@example.com"));
    expect(await createHandle({ call }).ask("GET", "/overview")).toMatchObject({
      status: 500,
      body: { code: "internal" },
    });
    expect(lines.map(({ text }) => text).join()).toContain("admin.failed");
  });

  it("is never cached, whatever it is", async () => {
    const { ask } = createHandle();
    for (const [path, headers] of [
      ["/me", key],
      ["/me", {}],
      ["/nothing", key],
      ["/jobs/7", key],
    ] as const) {
      expect((await ask("GET", path, headers)).headers.get("cache-control")).toBe("no-store");
    }
  });

  it("without CLERK_SECRET_KEY says that resync and runs need it", async () => {
    const { ask, calls } = createHandle();
    await captureLog();
    expect(await ask("POST", "/users/user_1/resync")).toMatchObject({ status: 503, body: { code: "config_invalid" } });
    const run = { kind: "compare", applies: false };
    expect(await ask("POST", "/runs", key, run)).toMatchObject({ status: 503, body: { code: "config_invalid" } });
    expect(calls).toEqual([]);
  });

  it("goes to pages of ADMIN_ORIGINS, and to no others", async () => {
    const config = { ...adminOptions().config, adminOrigins: ["https://admin.example.com"] };
    const { ask } = createHandle({ config });
    const from = (origin: string) => ({ ...key, origin });
    const preflight = await ask("OPTIONS", "/jobs", { origin: "https://admin.example.com" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-methods")).toBe("GET, POST");
    const allowed = "access-control-allow-origin";
    expect((await ask("GET", "/me", from("https://admin.example.com"))).headers.get(allowed)).toBe(
      "https://admin.example.com",
    );
    expect((await ask("GET", "/me", { origin: "https://admin.example.com" })).headers.get(allowed)).not.toBeNull();
    expect((await ask("GET", "/me", from("https://evil.example.com"))).headers.get(allowed)).toBeNull();
    expect((await createHandle().ask("GET", "/me", from("https://admin.example.com"))).headers.get(allowed)).toBeNull();
  });
});

it("a log holds neither key nor token, whatever goes wrong", async () => {
  const lines = await captureLog();
  const call = () => Promise.reject(new Error("down"));
  const { ask } = createHandle({ call });
  const { authorization } = await viewer();
  const forged = `${authorization.slice(0, -4)}AAAA`;
  for (const headers of [key, { authorization }, { authorization: forged }, { apikey: "sb_secret_wrong_key" }]) {
    for (const path of ["/overview", "/jobs?q=ada@example.com", "/nothing"]) await ask("GET", path, headers);
  }
  await ask("POST", "/sign-in", key, { name: "Ada" });
  const log = lines.map(({ text }) => text).join("\n");
  expect(log).toContain("admin.sign_in_refused");
  for (const secret of [adminKey, "sb_secret_wrong_key", authorization.slice(7, 60), "ada@example.com"]) {
    expect(log).not.toContain(secret);
  }
});
