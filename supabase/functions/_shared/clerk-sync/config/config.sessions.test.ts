import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";

const keyOf = (host: string) => btoa(`${host}$`);

describe("the issuer of session tokens", () => {
  test.each([
    ["CLERK_ISSUER", { CLERK_ISSUER: "https://clerk.example.com" }],
    ["CLERK_ISSUER with slashes at its end", { CLERK_ISSUER: "https://clerk.example.com//" }],
    ["a live publishable key", { CLERK_PUBLISHABLE_KEY: `pk_live_${keyOf("clerk.example.com")}` }],
    ["a test publishable key without padding", { CLERK_PUBLISHABLE_KEY: "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k" }],
    [
      "CLERK_ISSUER before the key, for a proxy has an issuer of its own",
      {
        CLERK_ISSUER: "https://clerk.example.com",
        CLERK_PUBLISHABLE_KEY: `pk_test_${keyOf("other.clerk.accounts.dev")}`,
      },
    ],
  ])("comes from %s", (_, environment) => {
    expect(readConfig(environment).sessionIssuer).toBe("https://clerk.example.com");
  });

  test.each(["http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]:3000"])(
    "may be %s: keys fetched from this machine need no TLS",
    (issuer) => {
      expect(readConfig({ CLERK_ISSUER: issuer }).sessionIssuer).toBe(issuer);
    },
  );

  test.each([
    "http://clerk.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost@evil.example",
    "http://localhost:1@evil.example",
    "clerk.example.com",
  ])("may not be %s", (issuer) => {
    expect(() => readConfig({ CLERK_ISSUER: issuer })).toThrow(/CLERK_ISSUER must be an https URL/);
  });

  test.each([
    `sk_test_${keyOf("clerk.example.com")}`,
    "pk_test_",
    "pk_test_***",
    `pk_test_${btoa("clerk.example.com")}`,
    `pk_test_${keyOf("evil.example/x?")}`,
  ])("is not taken from %s, which the message does not show", (key) => {
    expect(() => readConfig({ CLERK_PUBLISHABLE_KEY: key })).toThrow(
      /^The environment has 1 problem:\n {2}CLERK_PUBLISHABLE_KEY is not pk_live_… or pk_test_…; copy it from Clerk's dashboard: API keys, Publishable key$/,
    );
  });
});

describe("authorized parties", () => {
  test("are origins, once each, as a browser writes them", () => {
    const list = "https://App.example.com/, http://localhost:3000,https://app.example.com,capacitor://localhost";
    expect(readConfig({ CLERK_AUTHORIZED_PARTIES: list }).authorizedParties).toEqual([
      "https://app.example.com",
      "http://localhost:3000",
      "capacitor://localhost",
    ]);
  });

  test.each(["app.example.com", "https://app.example.com/path", "*", "https://app.example.com,null"])(
    "are not %s",
    (list) => {
      expect(() => readConfig({ CLERK_AUTHORIZED_PARTIES: list })).toThrow(/CLERK_AUTHORIZED_PARTIES must be origins/);
    },
  );
});
