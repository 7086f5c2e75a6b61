import type { Message } from "../../local/simulate/build-event.ts";
import type { ExpectedUser } from "../../local/simulate/expect-user.ts";
import { type Canary, canaryMessage, expectCanary } from "./canary.ts";

/** One delivery, and what must be true after it. */
export type Step = {
  name: "created" | "updated" | "repeated" | "late" | "deleted";
  message: Message;
  /** A new event becomes a job; a repeated one is answered "Duplicate event". */
  answer: "job" | "duplicate";
  expected: ExpectedUser;
  /** What is shown to hold, in words. */
  proves: string;
};

/** The life of a canary: five deliveries in this order. Times are ms after its start and decide the versions. */
export function planSteps(canary: Canary): Step[] {
  const updated = canaryMessage(canary, "user.updated", { after: 1000, name: "Updated" });
  const job = { answer: "job" } as const;
  return [
    {
      ...job,
      name: "created",
      message: canaryMessage(canary, "user.created", { after: 0, name: "Created" }),
      expected: expectCanary(canary, "Created"),
      proves: "the row is there",
    },
    {
      ...job,
      name: "updated",
      message: updated,
      expected: expectCanary(canary, "Updated"),
      proves: "the row has changed",
    },
    {
      name: "repeated",
      message: updated,
      answer: "duplicate",
      expected: expectCanary(canary, "Updated"),
      proves: "the same delivery again does nothing",
    },
    {
      ...job,
      name: "late",
      message: canaryMessage(canary, "user.updated", { after: 500, name: "Late" }),
      expected: expectCanary(canary, "Updated"),
      proves: "an older update changes nothing",
    },
    {
      ...job,
      name: "deleted",
      message: canaryMessage(canary, "user.deleted", { after: 2000, name: "" }),
      expected: expectCanary(canary, "Updated", true),
      proves: "the row is gone",
    },
  ];
}
