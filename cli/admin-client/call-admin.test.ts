import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { SyncError } from "#core/errors.ts";
import { createCallAdmin, nameActor } from "./call-admin.ts";

const rest = { baseUrl: "https://abc.supabase.co", secretKey: "sb_secret_1" };
const schema = z.object({ changed: z.number() });
const jobId = "0191d7c5-0000-7000-8000-000000000001";

/** What a call throws for this answer. */
async function failureOf(answer: () => Promise<Response>, path = "/overview"): Promise<SyncError> {
  return await createCallAdmin(rest, { fetch: answer })
    .get(path, schema, { q: "ada@example.com" })
    .then(
      () => Promise.reject(new Error("The call succeeded.")),
      (error: SyncError) => error,
    );
}

test("a call carries the secret key, who calls, and what is asked for, without what is not", async () => {
  const asked: [string, RequestInit | undefined][] = [];
  const fetch = async (url: unknown, init?: RequestInit) => {
    asked.push([String(url), init]);
    return Response.json({ changed: 2 });
  };
  const call = createCallAdmin(rest, { fetch });
  const query = { status: ["DEAD", "FAILED"], limit: 50, cursor: undefined, q: null };
  expect(await call.get("/jobs", schema, query)).toEqual({ changed: 2 });
  await call.post("/jobs/retry", schema, { ids: [] });
  expect(asked[0]).toEqual([
    "https://abc.supabase.co/functions/v1/sync-admin/jobs?status=DEAD%2CFAILED&limit=50",
    expect.objectContaining({
      redirect: "manual",
      headers: expect.objectContaining({ apikey: "sb_secret_1", "x-clerk-sync-actor": nameActor() }),
    }),
  ]);
  expect(asked[1]?.[1]).toMatchObject({ method: "POST", body: '{"ids":[]}' });
});

describe("who calls", () => {
  test.each([
    ["ada", "cli ada"],
    ["zoë\n", "cli zo??"],
    ["a".repeat(100), `cli ${"a".repeat(76)}`],
  ])("%j is told in what a header can carry, at most 80 characters", (name, actor) => {
    expect(nameActor(() => name)).toBe(actor);
  });

  test("is told by number where the machine knows no name", () => {
    const nameless = () => {
      throw new Error("ENOENT: no such file or directory, uv_os_get_passwd");
    };
    expect(nameActor(nameless)).toMatch(/^cli uid \w+$/);
  });
});

describe("an answer that is none says what to do", () => {
  const refusal = (status: number, code: string, error: string) => async () =>
    Response.json({ code, error }, { status });
  const gateway = async () => Response.json({ code: "NOT_FOUND", message: "no function" }, { status: 404 });
  test.each([
    ["nobody there", () => Promise.reject(new TypeError("fetch failed")), "endpoint_unreachable", /Nothing answers at/],
    ["a wrong key", refusal(401, "caller_unauthorized", "…"), "caller_unauthorized", /secret key is refused/],
    ["no function", gateway, "endpoint_unreachable", /functions deploy sync-admin/],
    ["no such route", refusal(404, "not_found", "…"), "endpoint_unreachable", /older version without \/overview\./],
    ["a page", async () => new Response("<html>"), "database_answer_invalid", /of another version/],
    ["another form", async () => Response.json({ changed: "2" }), "database_answer_invalid", /of another version/],
    ["a redirect", async () => new Response(null, { status: 302 }), "endpoint_unreachable", /answered 302, and not as/],
    ["a refusal", refusal(400, "request_invalid", "cursor: too long."), "request_invalid", /^cursor: too long\.$/],
    [
      "a code of another version",
      refusal(409, "new_code", "Not now."),
      "endpoint_unreachable",
      /409 \(new_code\): Not now/,
    ],
    [
      "what no code names",
      refusal(500, "internal", "The log says more."),
      "endpoint_unreachable",
      /500 \(internal\): The log/,
    ],
  ] as const)("%s", async (_, answer, code, message) => {
    const error = await failureOf(answer);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    expect(error.message).not.toMatch(/ada|sb_secret_1/);
  });

  test("a job that is not there is no missing function", async () => {
    const error = await failureOf(refusal(404, "not_found", "There is no job with this id."), `/jobs/${jobId}`);
    expect([error.code, error.message]).toEqual(["not_found", "There is no job with this id."]);
  });

  test("only what may pass by itself is worth asking again", async () => {
    const statuses = [400, 429, 503].map(async (status) => (await failureOf(refusal(status, "x", "y"))).retryable);
    expect(await Promise.all(statuses)).toEqual([false, true, true]);
  });

  test("a body that breaks off is no unknown form", async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error("terminated")) });
    expect((await failureOf(async () => new Response(body))).code).toBe("endpoint_unreachable");
  });
});
