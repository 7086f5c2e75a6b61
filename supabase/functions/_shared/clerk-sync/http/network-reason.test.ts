import { expect, test } from "vitest";
import { networkReason } from "./network-reason.ts";

const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" });
const several = Object.assign(new AggregateError([], ""), { code: "ECONNREFUSED" });

test.each([
  ["what fetch wraps", new TypeError("fetch failed", { cause: refused }), "connect ECONNREFUSED 127.0.0.1:9"],
  [
    "a cause of a cause",
    new Error("outer", { cause: new TypeError("fetch failed", { cause: refused }) }),
    refused.message,
  ],
  ["a cause that has only a code", new TypeError("fetch failed", { cause: several }), "ECONNREFUSED"],
  ["a timeout", new DOMException("The operation timed out", "TimeoutError"), "The operation timed out"],
  ["anything else", "broken", "broken"],
])("%s", (_, error, reason) => {
  expect(networkReason(error)).toBe(reason);
});
