import { once } from "node:events";
import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postBody, postEvent, postUnsigned } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

const bytes = (text: string) => new TextEncoder().encode(text);
const data = (value: unknown) => bytes(JSON.stringify({ type: "user.created", timestamp: 1, data: value }));

it.each([
  ["nothing at all", new Uint8Array(), /not JSON/],
  ["garbage", bytes("]{"), /not JSON/],
  ["invalid UTF-8", new Uint8Array([0x22, 0xff, 0xfe, 0x22]), /not UTF-8/],
  ["JSON null", bytes("null"), /Not a Clerk event/],
  ["an array", bytes("[]"), /Not a Clerk event/],
  ["a number", bytes("7"), /Not a Clerk event/],
  [
    "deep nesting",
    bytes(`{"type":"user.created","data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
    /nested deeper than 64/,
  ],
  ["a type that is no text", bytes('{"type":5,"data":{"id":"user_1"}}'), /type/],
  ["no type", bytes('{"data":{"id":"user_1"}}'), /type/],
  ["data that is no object", data("user_1"), /data/],
  ["no data", bytes('{"type":"user.created"}'), /data/],
  ["no id", data({ first_name: "Ada" }), /data\.id/],
  ["an empty id", data({ id: "" }), /data\.id/],
  ["an id that is no text", data({ id: 7 }), /data\.id/],
  ["an id that is null", data({ id: null }), /data\.id/],
  ["an id of 10,000 characters", data({ id: "u".repeat(10_000) }), /data\.id/],
])("%s, well signed, is answered 400 with the reason", async (_, body, reason) => {
  const answer = await postBody(server.settings, body);
  expect(answer.status).toBe(400);
  expect(answer.body.error).toMatch(reason);
});

it("no headers, garbage in them and old or future times are answered 401, the reason beside", async () => {
  const body = JSON.stringify(userEvent("user.created", { id: "user_1", version: 1 }));
  const now = Math.floor(Date.now() / 1000);
  for (const headers of [
    {},
    { "svix-id": "msg_1", "svix-timestamp": String(now) },
    { "svix-id": "msg_1", "svix-timestamp": String(now), "svix-signature": "garbage" },
    { "svix-id": "msg_1", "svix-timestamp": String(now), "svix-signature": "v1,!!!" },
    { "svix-id": "msg_1", "svix-timestamp": "soon", "svix-signature": "v1,AAAA" },
    { "svix-id": "msg_1", "svix-timestamp": String(now - 400), "svix-signature": "v1,AAAA" },
  ]) {
    const answer = await postUnsigned(server.settings, body, headers as Record<string, string>);
    expect(answer).toMatchObject({ status: 401, body: { error: "Invalid signature", reason: expect.any(String) } });
  }
});

it("10 MB are answered 413, with and without a Content-Length, and never kept in memory", async () => {
  const large = new Uint8Array(10 * 1024 * 1024);
  expect(await postUnsigned(server.settings, large)).toMatchObject({ status: 413, body: { code: "body_too_large" } });
  let sent = 0;
  const stream = new ReadableStream({
    pull(controller) {
      sent += 64 * 1024;
      if (sent > 10 * 1024 * 1024) controller.close();
      else controller.enqueue(new Uint8Array(64 * 1024));
    },
  });
  const response = await fetch(`${server.settings.url}/functions/v1/clerk-webhook`, {
    method: "POST",
    body: stream,
    duplex: "half",
  } as RequestInit).catch((error: unknown) => error as Error);
  // A server may close the connection on a sender that does not stop; it must not read to the end.
  if (response instanceof Response) expect(response.status).toBe(413);
  expect(sent).toBeLessThan(10 * 1024 * 1024);
});

it("a body refused while it arrives leaves its connection usable for the next event", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = async (body: Buffer) => {
    const sent = request(`${server.settings.url}/functions/v1/clerk-webhook`, { method: "POST", agent });
    sent.write(body); // without a Content-Length: only counting tells that it is too large
    sent.end();
    const [response] = await once(sent, "response");
    response.resume();
    await once(response, "end");
    return [response.statusCode, sent.reusedSocket];
  };
  expect(await post(Buffer.alloc(1024 * 1024))).toEqual([413, false]);
  expect(await post(Buffer.from("{}"))).toEqual([401, true]);
  agent.destroy();
});

it("another method is answered 405, another path 404 with the right one", async () => {
  const get = await fetch(`${server.settings.url}/functions/v1/clerk-webhook`);
  expect(get.status).toBe(405);
  const lost = await fetch(`${server.settings.url}/webhook`, { method: "POST", body: "{}" });
  expect(lost.status).toBe(404);
  expect(await lost.text()).toContain("/functions/v1/clerk-webhook");
});

it("the processor without, or with a wrong key, is answered 401", async () => {
  for (const headers of [{}, { authorization: "Bearer wrong" }, { apikey: "wrong" }, { authorization: "Basic x" }]) {
    const response = await fetch(`${server.settings.url}/functions/v1/user-job-processor`, {
      method: "POST",
      headers: headers as Record<string, string>,
    });
    expect(response.status).toBe(401);
  }
});

it("wrong types in fields that are not needed cost only these fields", async () => {
  const event = userEvent("user.created", { id: "user_odd", version: 1 });
  Object.assign(event.data, {
    first_name: 5,
    last_name: "Ok",
    phone_numbers: "none",
    banned: "yes",
    public_metadata: [1],
  });
  expect((await postEvent(server.settings, event)).status).toBe(202);
  await server.quiet();
  expect(await server.one("select name, email from users where clerk_id = 'user_odd'")).toEqual({
    name: null, // one of its parts is not known
    email: "user_odd@example.com",
  });
});

it("after all of that the server goes on, and nothing of it is in the queue", async () => {
  expect((await postEvent(server.settings, userEvent("user.created", { id: "user_after", version: 1 }))).status).toBe(
    202,
  );
  await server.quiet();
  expect(await server.one("select count(*)::int as n from job_queue")).toEqual({ n: 2 });
});
