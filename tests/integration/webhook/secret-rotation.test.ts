import { afterAll, beforeAll, expect, it } from "vitest";
import { handleWebhook } from "#core/webhook/handle-webhook.ts";
import { createLoadLimit } from "#core/webhook/limit-load.ts";
import { createRateLimit } from "#core/webhook/limit-rate.ts";
import { createVerifySignature } from "#core/webhook/verify-signature.ts";
import { userEvent } from "../../support/clerk/build-event.ts";
import { jsonBytes } from "../../support/clerk/clerk-fixture.ts";
import { rootFields } from "../../support/clerk/root-fields.ts";
import { signedHeaders, testNow } from "../../support/clerk/sign.ts";
import { createQueue, type Queue } from "../../support/database/queue.ts";

const oldSecret = `whsec_${btoa("the secret of the old endpoint")}`;
const newSecret = `whsec_${btoa("the secret of the new endpoint")}`;

let queue: Queue;
beforeAll(async () => {
  queue = await createQueue();
});
afterAll(() => queue?.drop());

/** What Svix still owes an endpoint: it tries again until it is answered 2xx. */
type Owed = { secret: string; id: string; body: Uint8Array<ArrayBuffer> };

async function deliver({ secret, id, body }: Owed, accepted: readonly string[]): Promise<number> {
  const request = new Request("http://localhost/", {
    method: "POST",
    headers: signedHeaders({ secret, id, body }),
    body,
  });
  const answer = await handleWebhook(request, {
    acceptEvents: queue.database.enqueue,
    verifySignature: createVerifySignature(accepted, () => testNow),
    fields: rootFields,
    loadLimit: createLoadLimit({ events: 10, bytes: 1024 * 1024, now: () => testNow }),
    rateLimit: createRateLimit({ maxPerSecond: 100, badSignaturesPerMinute: 100, now: () => testNow }),
    maxAttempts: 15,
    onQueued: () => undefined,
  });
  return answer.status;
}

it("a rotation by a second endpoint, step by step as in docs/secret-rotation.md, loses no event and does none twice", async () => {
  const steps = [
    { endpoints: [oldSecret], accepted: [oldSecret] },
    { endpoints: [oldSecret, newSecret], accepted: [oldSecret] }, // the new endpoint exists, the function knows only the old
    { endpoints: [oldSecret, newSecret], accepted: [newSecret, oldSecret] },
    { endpoints: [newSecret], accepted: [newSecret, oldSecret] },
    { endpoints: [newSecret], accepted: [newSecret] },
  ];
  let owed: Owed[] = [];
  for (const [step, { endpoints, accepted }] of steps.entries()) {
    const body = jsonBytes(userEvent("user.created", { id: `user_step_${step}`, version: 1 }));
    const due = [...owed, ...endpoints.map((secret) => ({ secret, id: `msg_step_${step}`, body }))];
    owed = [];
    for (const delivery of due) {
      if ((await deliver(delivery, accepted)) >= 300) owed.push(delivery);
    }
  }
  expect(owed).toEqual([]);
  await queue.run();
  const counts = await queue.one(
    `select (select count(*)::int from users) as users, (select count(*)::int from job_queue) as jobs`,
  );
  expect(counts).toEqual({ users: steps.length, jobs: steps.length });
});

it("a secret that is no longer set is refused", async () => {
  const body = jsonBytes(userEvent("user.created", { id: "user_leaked", version: 1 }));
  expect(await deliver({ secret: oldSecret, id: "msg_leaked", body }, [newSecret])).toBe(401);
});
