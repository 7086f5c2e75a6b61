import { expect, test } from "vitest";
import { checkEnvironment } from "./check-environment.ts";

const now = Date.parse("2026-01-01T00:00:00Z");

function legacyKey(claims: object): string {
  const part = (value: object) => btoa(JSON.stringify(value)).replaceAll("=", "").replaceAll("+", "-");
  return `${part({ alg: "HS256" })}.${part(claims)}.c2lnbmF0dXJl`;
}

function check(environment: Record<string, string>, supabaseUrl: string | null = "https://abcd.supabase.co") {
  return checkEnvironment({ environment, supabaseUrl, now });
}

const serviceRole = legacyKey({ iss: "supabase", ref: "abcd", role: "service_role", exp: now / 1000 + 60 });

test("an environment as it must be is well, and its variables are named", () => {
  const findings = check({
    CLERK_WEBHOOK_SECRET: "whsec_bmV3,whsec_b2xk",
    CLERK_SECRET_KEY: "sk_test_abc",
    SUPABASE_SERVICE_ROLE_KEY: serviceRole,
    SUPABASE_SECRET_KEYS: '{"default": "sb_secret_abc"}',
    PROCESSOR_SECRET: "0123456789abcdef",
  });
  expect(findings).toMatchObject([
    { state: "ok", what: expect.stringContaining("CLERK_WEBHOOK_SECRET, CLERK_SECRET_KEY") },
  ]);
});

test("an environment without anything of ours is skipped", () => {
  expect(check({ PATH: "/bin" })).toMatchObject([{ state: "skipped" }]);
});

test.each([
  ["CLERK_WEBHOOK_SECRET", "sk_test_abc", "CLERK_WEBHOOK_SECRET is a Clerk secret key"],
  ["CLERK_WEBHOOK_SECRET", "nonsense", "CLERK_WEBHOOK_SECRET is no webhook secret"],
  ["CLERK_WEBHOOK_SECRET", "whsec_…", "CLERK_WEBHOOK_SECRET is not whsec_ followed by base64"],
  ["--secret", "whsec_…", "--secret is not whsec_ followed by base64"],
  ["CLERK_SECRET_KEY", "pk_test_abc", "CLERK_SECRET_KEY is a Clerk publishable key"],
  ["VITE_CLERK_PUBLISHABLE_KEY", "sk_live_abc", "VITE_CLERK_PUBLISHABLE_KEY is a Clerk secret key"],
  ["SUPABASE_SECRET_KEY", "sb_publishable_abc", "SUPABASE_SECRET_KEY is a Supabase publishable key"],
  ["SUPABASE_SECRET_KEYS", '{"default":"sb_publishable_abc"}', "SUPABASE_SECRET_KEYS is a Supabase publishable key"],
  ["SUPABASE_SERVICE_ROLE_KEY", legacyKey({ role: "anon", ref: "abcd" }), "SUPABASE_SERVICE_ROLE_KEY is an anon key"],
  ["SUPABASE_SERVICE_ROLE_KEY", legacyKey({ role: "service_role", exp: 1 }), "SUPABASE_SERVICE_ROLE_KEY has expired"],
  [
    "SUPABASE_SERVICE_ROLE_KEY",
    legacyKey({ role: "service_role", ref: "other" }),
    "SUPABASE_SERVICE_ROLE_KEY is of project other, and the URL is abcd.supabase.co",
  ],
  ["--secret-key", legacyKey({ role: "anon" }), "--secret-key is an anon key"],
  ["CLERK_WEBHOOK_SECRET", '"whsec_bmV3"', "CLERK_WEBHOOK_SECRET has quotes around its value"],
])("%s = %s fails once, with its name, a remedy and no value", (name, value, what) => {
  const findings = check({ [name]: value });
  expect(findings[0]).toMatchObject({ state: "failed", what, remedy: expect.any(String) });
  expect(findings).toHaveLength(1);
  expect(JSON.stringify(findings)).not.toContain(value);
});

test("spaces around a value are a warning", () => {
  expect(check({ SUPABASE_SECRET_KEY: "sb_secret_abc " })).toMatchObject([
    { state: "warning", what: "SUPABASE_SECRET_KEY has spaces around its value" },
  ]);
});

test("what readConfig refuses is a finding a variable, also of those without a secret", () => {
  expect(check({ DELETE_MODE: "gentle", PROCESSOR_SECRET: "short", RETENTION_DAYS: "0" })).toMatchObject([
    { state: "failed", what: expect.stringMatching(/^PROCESSOR_SECRET must have at least 16/) },
    {
      state: "failed",
      what: 'DELETE_MODE moved into clerk-sync.config.json. Write "delete": "hard" or "delete": { "soft": "deleted_at" } into "users", and unset the variable',
    },
    { state: "failed", what: "RETENTION_DAYS must be at least 1" },
  ]);
});

test("a key of any shape is taken for a server that is not Supabase's own", () => {
  expect(check({ SUPABASE_SECRET_KEY: "a-key-of-mine" }, "http://127.0.0.1:54321")).toMatchObject([{ state: "ok" }]);
});
