import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { signWebhook } from "#core/http/sign-webhook.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { startTestServer, type TestServer } from "../../support/processes/test-server.ts";
import { postEvent, postUnsigned } from "../../support/webhook/post-event.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ AUTH_MIRROR: "off", LOG_LEVEL: "error" });
});
afterAll(() => server?.stop());

const body = new TextEncoder().encode(JSON.stringify(userEvent("user.created", { id: "user_forged", version: 1 })));

/** As good as it can be made without the secret. */
async function postForged(): Promise<number> {
  const timestamp = Math.floor(Date.now() / 1000);
  const secret = `whsec_${btoa("a secret of nobody's")}`;
  const headers = await signWebhook({ secret, id: `msg_${randomUUID()}`, timestamp, body });
  return (await postUnsigned(server.settings, body, headers)).status;
}

async function postReal(user: number): Promise<number> {
  const event = userEvent("user.created", { id: `user_real_${user}`, version: 1 });
  return (await postEvent(server.settings, event)).status;
}

it("1,000 forged requests of one source get 401 and then 429, and the real events among them are all rows", async () => {
  const statuses = { forged: [] as number[], real: [] as number[] };
  const requests = Array.from({ length: 1100 }, (_, place) => place).values();
  const send = async () => {
    for (const place of requests) {
      if (place % 11 === 10) statuses.real.push(await postReal((place - 10) / 11));
      else if (place % 2 === 0) statuses.forged.push(await postForged());
      else statuses.forged.push((await postUnsigned(server.settings, body)).status);
    }
  };
  await Promise.all(Array.from({ length: 20 }, send));
  await server.quiet();

  const refused = statuses.forged.filter((status) => status === 401).length;
  expect(refused).toBeGreaterThanOrEqual(60);
  expect(statuses.forged.filter((status) => status === 429)).toHaveLength(1000 - refused);
  expect(refused).toBeLessThan(200); // 60, and one more for each second that the flood took
  expect(statuses.real).toEqual(Array.from({ length: 100 }, () => 202));
  expect(await server.one("select count(*)::int as n from users where clerk_id like 'user_real_%'")).toEqual({
    n: 100,
  });
  expect(await server.one("select 1 from job_queue where clerk_id = 'user_forged'")).toBeUndefined();
});

it("events beyond the limit of a second are refused, and rows when they are delivered again", async () => {
  const slow = await startTestServer({ AUTH_MIRROR: "off", WEBHOOK_MAX_PER_SECOND: "50", LOG_LEVEL: "error" });
  let left = Array.from({ length: 150 }, (_, user) => user);
  let refused = 0;
  while (left.length > 0) {
    const answers = await Promise.all(
      left.map(async (user) => {
        const event = userEvent("user.created", { id: `user_${user}`, version: 1 });
        return { user, ...(await postEvent(slow.settings, event, `msg_${user}`)) };
      }),
    );
    for (const { status } of answers) expect([202, 429]).toContain(status);
    left = answers.filter(({ status }) => status === 429).map(({ user }) => user);
    refused += left.length;
  }
  await slow.quiet();
  expect(refused).toBeGreaterThan(0);
  expect(await slow.one("select count(*)::int as n from users")).toEqual({ n: 150 });
  await slow.stop();
});
