import { describe, expect, it, vi } from "vitest";
import { ApiError, describeError } from "./api-error.ts";
import { createClient, formatQuery } from "./client.ts";

const baseUrl = "https://a.example/functions/v1/sync-admin";

/** A client whose calls are answered so, and what was sent. */
function clientThat(answer: () => Promise<Response>) {
  const sent: { url: string; init: RequestInit }[] = [];
  const onSignedOut = vi.fn();
  const send = (url: unknown, init: RequestInit = {}) => {
    sent.push({ url: String(url), init });
    return answer();
  };
  const client = createClient({ baseUrl, headers: { apikey: "k" }, fetch: send as typeof fetch, onSignedOut });
  return { client, sent, onSignedOut };
}

const refuse = (status: number, code: string) => async () => Response.json({ error: "Do this.", code }, { status });
const thrownBy = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => error,
  );

describe("a query", () => {
  it("leaves out what is empty, joins lists by commas, and escapes the rest", () => {
    const query = { q: "a&b", status: ["DEAD", "FAILED"], code: "", cursor: null, source: undefined, limit: 2 };
    expect(formatQuery(query)).toBe("?q=a%26b&status=DEAD%2CFAILED&limit=2");
    expect(formatQuery({ status: [] })).toBe("");
  });
});

describe("a call", () => {
  it("carries the proof, and no cookie, cached answer or referrer", async () => {
    const { client, sent } = clientThat(async () => Response.json({ ok: true }));
    expect(await client.post("/jobs/retry", { ids: ["x"] })).toEqual({ ok: true });
    expect(sent[0]).toMatchObject({
      url: `${baseUrl}/jobs/retry`,
      init: {
        method: "POST",
        body: '{"ids":["x"]}',
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
      },
    });
    expect(sent[0]?.init.headers).toMatchObject({ apikey: "k", "content-type": "application/json" });
  });

  it("that is refused throws the sentence, the code and the status of the API", async () => {
    const { client, onSignedOut } = clientThat(refuse(403, "right_missing"));
    const error = await thrownBy(client.get("/overview"));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 403, code: "right_missing", message: "Do this." });
    expect(onSignedOut).not.toHaveBeenCalled();
  });

  it("whose token is not accepted says so once, and throws all the same", async () => {
    const { client, onSignedOut } = clientThat(refuse(401, "admin_token_invalid"));
    expect(await thrownBy(client.get("/overview"))).toMatchObject({ status: 401 });
    expect(onSignedOut).toHaveBeenCalledOnce();
  });

  it.each([
    ["the page of a host that rewrites all paths", async () => new Response("<html>", { status: 200 })],
    ["a gateway", async () => new Response("Bad gateway", { status: 502 })],
    ["JSON of something else", async () => Response.json({ message: "no" }, { status: 404 })],
  ])("that is answered by %s is said to have the wrong address", async (_, answer) => {
    const { client } = clientThat(answer);
    const error = await thrownBy(client.get("/overview"));
    expect(describeError(error)).toMatchObject({
      code: "endpoint_unreachable",
      error: expect.stringContaining(baseUrl),
    });
  });

  it("that gets no answer names what may be in the way", async () => {
    const { client } = clientThat(() => Promise.reject(new TypeError("Failed to fetch")));
    expect(await thrownBy(client.get("/overview"))).toMatchObject({
      status: 0,
      code: "endpoint_unreachable",
      message: expect.stringContaining("ADMIN_ORIGINS"),
    });
  });

  it("that the page itself gave up is no failure of the API", async () => {
    const controller = new AbortController();
    const gone = new DOMException("gone", "AbortError");
    const { client } = clientThat(() => Promise.reject(gone));
    controller.abort();
    expect(await thrownBy(client.get("/overview", {}, controller.signal))).toBe(gone);
  });
});

it("anything that was thrown has a sentence and a code", () => {
  expect(describeError(new Error("broken"))).toEqual({ error: "broken", code: "page_failed" });
  expect(describeError("text")).toEqual({ error: "text", code: "page_failed" });
});
