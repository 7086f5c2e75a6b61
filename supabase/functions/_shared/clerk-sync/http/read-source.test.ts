import { describe, expect, test } from "vitest";
import { readGatewaySource, readSource } from "./read-source.ts";

const socketAddress = "198.51.100.9";

describe("the source of a request", () => {
  test.each<[string, string | null, "gateway" | number, string]>([
    ["the connection's, when nobody is trusted", "203.0.113.1", 0, socketAddress],
    ["what the one proxy added, not what the client wrote", "1.1.1.1, 203.0.113.1", 1, "203.0.113.1"],
    ["what the outer one of two proxies added", "1.1.1.1, 203.0.113.1, 10.0.0.2", 2, "203.0.113.1"],
    ["the connection's, when a proxy that is trusted added nothing", null, 1, socketAddress],
    ["the connection's, when there are fewer entries than proxies", "203.0.113.1", 3, socketAddress],
    ["the first entry, from Supabase's gateway", "203.0.113.1, 10.0.0.2", "gateway", "203.0.113.1"],
    ["the connection's, when the gateway says nothing", null, "gateway", socketAddress],
  ])("is %s", (_, forwardedFor, trust, source) => {
    expect(readSource({ forwardedFor, socketAddress, trust })).toBe(source);
  });

  test("is unknown when nothing is known, and one for all such requests", () => {
    expect(readGatewaySource(new Headers())).toBe("unknown");
    expect(readGatewaySource(new Headers({ "x-forwarded-for": "203.0.113.1" }))).toBe("203.0.113.1");
  });

  test.each([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:1:2::9", "2001:db8:1:2"],
    ["2001:db8::9", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["x".repeat(10_000), "x".repeat(45)],
    [":".repeat(10_000), ":"],
  ])("of %s is %s", (address, source) => {
    const read = readSource({ forwardedFor: address, trust: "gateway" });
    expect(read.length).toBeLessThanOrEqual(45);
    if (!address.startsWith(":::")) expect(read).toBe(source);
  });
});
