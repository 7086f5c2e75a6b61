import { createClient } from "@supabase/supabase-js";
import { describe, expect, test } from "vitest";
import { createSupabaseRpc } from "./supabase-rpc.ts";

const supabaseUrl = "https://ref.supabase.co";
const keys = {
  secret: "sb_secret_1",
  "legacy service_role": "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln",
};

type Sent = { url: string; method: string; headers: Record<string, string>; body: string };

/** A fetch that gives this answer, and the requests it got. */
function answerBy(answer: (init: RequestInit) => Response | Promise<Response>) {
  const sent: Sent[] = [];
  const send: typeof fetch = async (input, init = {}) => {
    const request = new Request(input, init);
    const { url, method, headers } = request;
    sent.push({ url, method, headers: Object.fromEntries(headers), body: await request.text() });
    return answer(init);
  };
  return { send, sent };
}

const callOver = (answer: (init: RequestInit) => Response | Promise<Response>) =>
  createSupabaseRpc(supabaseUrl, keys.secret, answerBy(answer).send);

describe("a request", () => {
  test.each(Object.entries(keys))("carries the %s key as apikey and as Bearer", async (_kind, key) => {
    const { send, sent } = answerBy(() => Response.json(7));
    expect(await createSupabaseRpc(supabaseUrl, key, send)("clerk_sync_x", { p_one: 1 })).toBe(7);
    expect(sent).toEqual([
      {
        url: `${supabaseUrl}/rest/v1/rpc/clerk_sync_x`,
        method: "POST",
        headers: {
          apikey: key,
          authorization: `Bearer ${key}`,
          "content-profile": "public",
          "content-type": "application/json",
        },
        body: '{"p_one":1}',
      },
    ]);
  });

  test.each(Object.entries(keys))(
    "with the %s key is that of supabase-js, which also names itself",
    async (_kind, key) => {
      const args = { p_text: "ü", p_list: [1, "2"], p_null: null, p_object: { a: {} } };
      const ours = answerBy(() => Response.json(null));
      await createSupabaseRpc(`${supabaseUrl}/`, key, ours.send)("clerk_sync_x", args);
      const theirs = answerBy(() => Response.json(null));
      const auth = { persistSession: false, autoRefreshToken: false };
      await createClient(supabaseUrl, key, { auth, global: { fetch: theirs.send } }).rpc("clerk_sync_x", args);
      const unnamed = theirs.sent.map(({ headers: { "x-client-info": name, ...headers }, ...rest }) => {
        expect(name).toContain("supabase-js/");
        return { ...rest, headers };
      });
      expect(ours.sent).toEqual(unnamed);
    },
  );

  test("without arguments has an empty object as its body", async () => {
    const { send, sent } = answerBy(() => Response.json([]));
    await createSupabaseRpc(supabaseUrl, keys.secret, send)("clerk_sync_x", {});
    expect(sent).toMatchObject([{ body: "{}" }]);
  });

  test.each([503, 520])("that is answered %i is sent once: the call may have been made", async (status) => {
    const { send, sent } = answerBy(() => new Response("", { status }));
    await expect(createSupabaseRpc(supabaseUrl, keys.secret, send)("clerk_sync_x", {})).rejects.toThrow();
    expect(sent).toHaveLength(1);
  });

  test("that fails on the way is sent once", async () => {
    const { send, sent } = answerBy(() => Promise.reject(new TypeError("fetch failed")));
    await expect(createSupabaseRpc(supabaseUrl, keys.secret, send)("clerk_sync_x", {})).rejects.toThrow();
    expect(sent).toHaveLength(1);
  });

  test("needs a URL, which is looked at before the first call", () => {
    expect(() => createSupabaseRpc("ref.supabase.co", keys.secret)).toThrow(TypeError);
  });
});

describe("an answer", () => {
  test.each([
    ["a value", Response.json({ a: [1] }), { a: [1] }],
    ["null", Response.json(null), null],
    ["204 without a body, as of a function that returns void", new Response(null, { status: 204 }), null],
  ])("%s is returned", async (_title, answer, value) => {
    expect(await callOver(() => answer)("clerk_sync_x", {})).toEqual(value);
  });

  const postgrest = (status: number, code: string) =>
    Response.json({ code, message: "m", details: null, hint: null }, { status });

  test.each([
    ["401 of PostgREST", () => postgrest(401, "PGRST301"), "PGRST301"],
    ["404 of an unknown function", () => postgrest(404, "PGRST202"), "PGRST202"],
    ["403 of a missing right", () => postgrest(403, "42501"), "42501"],
  ])("%s is database_rejected", async (_title, answer, state) => {
    await expect(callOver(answer)("clerk_sync_x", {})).rejects.toMatchObject({
      code: "database_rejected",
      retryable: false,
      message: expect.stringContaining(state),
    });
  });

  test.each([
    ["401 of the gateway, which has no code", () => Response.json({ message: "Invalid API key" }, { status: 401 })],
    ["503 without a database", () => postgrest(503, "PGRST000")],
    ["503 of a full database", () => postgrest(503, "53300")],
    ["504 in HTML", () => new Response("<h1>Gateway Timeout</h1>", { status: 504 })],
    ["200 in HTML", () => new Response("<h1>Hello</h1>")],
    ["no answer", () => Promise.reject(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }))],
  ])("%s is database_unavailable", async (_title, answer) => {
    await expect(callOver(answer)("clerk_sync_x", {})).rejects.toMatchObject({
      code: "database_unavailable",
      retryable: true,
      cause: expect.anything(),
    });
  });

  test("that does not come within a second after the limit is database_unavailable", async () => {
    const waitForever = ({ signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    const start = performance.now();
    await expect(callOver(waitForever)("clerk_sync_x", {}, { limitMilliseconds: 1 })).rejects.toMatchObject({
      code: "database_unavailable",
      cause: { message: expect.stringContaining("TimeoutError") },
    });
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  test("has no limit unless the call has one", async () => {
    const readSignal = ({ signal }: RequestInit) => Response.json(signal === undefined || signal === null);
    expect(await callOver(readSignal)("clerk_sync_x", {})).toBe(true);
    expect(await callOver(readSignal)("clerk_sync_x", {}, { limitMilliseconds: 1000 })).toBe(false);
  });
});
