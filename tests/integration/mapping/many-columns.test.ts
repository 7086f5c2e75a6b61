import { expect, it, onTestFinished } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createMappedQueue } from "../../support/mapping/mapped-queue.ts";

it("a table of 120 mapped columns is written, and notes each value that it refuses", async () => {
  const names = Array.from({ length: 120 }, (_, place) => `c${place}`);
  const queue = await createMappedQueue(
    `create table public.wide (id text primary key, ${names.map((name) => `${name} text`).join(", ")})`,
    {
      table: "wide",
      key: "id",
      columns: Object.fromEntries(
        names.map((name) => [
          name,
          { from: `public_metadata.${name}` as const, default: "none", allowed: ["none", "a"] },
        ]),
      ),
    },
  );
  onTestFinished(queue.drop);
  const event = userEvent("user.created", { id: "user_wide", version: 1 });
  Object.assign(event.data, { public_metadata: { c0: "a", c119: "refused" } });
  await queue.acceptAs("msg_wide", event);
  expect(await queue.rows()).toMatchObject([{ id: "user_wide", c0: "a", c1: "none", c119: "none" }]);
  expect(await queue.job("msg_wide")).toMatchObject({ result: { applied: true, ignored: { c119: "text" } } });
  expect(await queue.compare(event)).toEqual([]);
});
