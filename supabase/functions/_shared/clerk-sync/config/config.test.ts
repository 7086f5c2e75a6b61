import { describe, expect, test } from "vitest";
import { type Environment, readConfig } from "./config.ts";

const first = "whsec_plJ3nmyCDGBKInavdOK15jsl";
const second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

function problemsOf(environment: Environment): string {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toMatchObject({ name: "SyncError", code: "config_invalid" });
    return error instanceof Error ? error.message : "";
  }
  throw new Error("the environment was accepted");
}

const defaults = {
  webhookSecrets: [],
  instanceIds: [],
  supabaseUrl: null,
  secretKeys: [],
  processorSecret: null,
  adminRoles: { operator: [], viewer: [] },
  adminOrigins: [],
  authMirror: true,
  adoptsWithTokenSeconds: null,
  applyAtOnce: true,
  clerkSecretKey: null,
  clerkApiUrl: "https://api.clerk.com",
  sessionIssuer: null,
  authorizedParties: [],
  deleteBrake: { count: 100, percent: 10, minutes: 60 },
  maxAttempts: 15,
  retentionDays: 30,
  webhookRate: { maxPerSecond: 5000, badSignaturesPerMinute: 60 },
  alerts: { webhookUrl: null, webhookSecret: null, slackUrl: null, adminUrl: null },
  configurationFile: null,
  databaseUrl: null,
  port: 54321,
  host: "127.0.0.1",
  trustedProxies: 0,
  logLevel: "info",
  metricsToken: null,
};

describe("values", () => {
  test("an empty environment has every secret missing and every default", () => {
    expect(readConfig({})).toEqual(defaults);
  });

  test("an empty or blank variable is a missing one", () => {
    const names = ["CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET", "SUPABASE_URL", "SUPABASE_SECRET_KEYS"];
    const others = ["SUPABASE_SERVICE_ROLE_KEY", "PROCESSOR_SECRET", "AUTH_MIRROR", "DELETE_MODE", "MAX_ATTEMPTS"];
    const rest = ["RETENTION_DAYS", "DATABASE_URL", "PORT", "HOST", "LOG_LEVEL", "SUPABASE_SECRET_KEY"];
    const rates = ["WEBHOOK_MAX_PER_SECOND", "WEBHOOK_BAD_SIGNATURES_PER_MINUTE", "TRUST_PROXY", "METRICS_TOKEN"];
    const admin = ["ADMIN_OPERATOR_ROLES", "ADMIN_VIEWER_ROLES", "ADMIN_ORIGINS"];
    for (const blank of ["", "  \n"]) {
      const all = [...names, ...others, ...rest, ...rates, ...admin];
      expect(readConfig(Object.fromEntries(all.map((name) => [name, blank])))).toEqual(defaults);
    }
  });

  test("every variable that is set is used", () => {
    const environment = {
      CLERK_WEBHOOK_SECRET: first,
      SUPABASE_URL: "https://ref.supabase.co",
      SUPABASE_SECRET_KEYS: '{"default":"sb_secret_1"}',
      PROCESSOR_SECRET: "0123456789abcdef",
      ADMIN_OPERATOR_ROLES: "admin, owner",
      ADMIN_VIEWER_ROLES: "support",
      ADMIN_ORIGINS: "https://Admin.example.com/",
      AUTH_MIRROR: "off",
      AUTH_ADOPT: "on",
      AUTH_JWT_SECONDS: "7200",
      APPLY_AT_ONCE: "off",
      CLERK_SECRET_KEY: "sk_test_1",
      CLERK_API_URL: "http://127.0.0.1:1234",
      CLERK_ISSUER: "https://clerk.example.com",
      CLERK_AUTHORIZED_PARTIES: "https://app.example.com",
      CLERK_INSTANCE_ID: "ins_1, ins_2",
      DELETE_BRAKE_COUNT: "5",
      DELETE_BRAKE_PERCENT: "50",
      DELETE_BRAKE_MINUTES: "10",
      MAX_ATTEMPTS: "3",
      RETENTION_DAYS: "7",
      CLERK_SYNC_CONFIG: "sync.jsonc",
      DATABASE_URL: "postgresql://postgres:pw@localhost:5432/postgres",
      PORT: "8080",
      HOST: "0.0.0.0",
      WEBHOOK_MAX_PER_SECOND: "100",
      WEBHOOK_BAD_SIGNATURES_PER_MINUTE: "10",
      TRUST_PROXY: "1",
      METRICS_TOKEN: "fedcba9876543210",
      LOG_LEVEL: "debug",
    };
    expect(readConfig(environment)).toEqual({
      webhookSecrets: [first],
      instanceIds: ["ins_1", "ins_2"],
      supabaseUrl: "https://ref.supabase.co",
      secretKeys: ["sb_secret_1"],
      processorSecret: "0123456789abcdef",
      adminRoles: { operator: ["admin", "owner"], viewer: ["support"] },
      adminOrigins: ["https://admin.example.com"],
      authMirror: false,
      adoptsWithTokenSeconds: 7200,
      applyAtOnce: false,
      clerkSecretKey: "sk_test_1",
      clerkApiUrl: "http://127.0.0.1:1234",
      sessionIssuer: "https://clerk.example.com",
      authorizedParties: ["https://app.example.com"],
      deleteBrake: { count: 5, percent: 50, minutes: 10 },
      maxAttempts: 3,
      retentionDays: 7,
      configurationFile: "sync.jsonc",
      databaseUrl: "postgresql://postgres:pw@localhost:5432/postgres",
      port: 8080,
      host: "0.0.0.0",
      webhookRate: { maxPerSecond: 100, badSignaturesPerMinute: 10 },
      trustedProxies: 1,
      metricsToken: "fedcba9876543210",
      alerts: defaults.alerts,
      logLevel: "debug",
    });
  });

  test.each(["on", "true", "1", "yes", "ON", " True "])("AUTH_MIRROR=%o turns the mirror on", (value) => {
    expect(readConfig({ AUTH_MIRROR: value }).authMirror).toBe(true);
  });

  test.each(["off", "false", "0", "no", "OFF", " False "])("AUTH_MIRROR=%o turns the mirror off", (value) => {
    expect(readConfig({ AUTH_MIRROR: value }).authMirror).toBe(false);
  });

  test("DELETE_BRAKE=off takes the brake away", () => {
    expect(readConfig({ DELETE_BRAKE: "off" }).deleteBrake).toBeNull();
  });

  test("CLERK_INSTANCE_ID must look like one", () => {
    expect(problemsOf({ CLERK_INSTANCE_ID: "ins_1,production" })).toContain("CLERK_INSTANCE_ID is not ins_…");
  });

  test("CLERK_SECRET_KEY must look like one, and the message does not show it", () => {
    const problems = problemsOf({ CLERK_SECRET_KEY: "pk_live_abc" });
    expect(problems).toContain("CLERK_SECRET_KEY is not sk_live_… or sk_test_…");
    expect(problems).not.toContain("pk_live_abc");
  });

  test("LOG_LEVEL may be written in capitals", () => {
    expect(readConfig({ LOG_LEVEL: "Warning" })).toMatchObject({
      logLevel: "warning",
    });
  });

  test("slashes at the end of SUPABASE_URL are dropped", () => {
    expect(readConfig({ SUPABASE_URL: "http://localhost:54321//" }).supabaseUrl).toBe("http://localhost:54321");
  });
});

describe("webhook secrets", () => {
  test("several are separated by commas", () => {
    expect(readConfig({ CLERK_WEBHOOK_SECRET: ` ${first} , ${second},` }).webhookSecrets).toEqual([first, second]);
  });

  test("the name of Clerk's newer guides is an alias, and both together are all accepted", () => {
    expect(readConfig({ CLERK_WEBHOOK_SIGNING_SECRET: second }).webhookSecrets).toEqual([second]);
    expect(
      readConfig({ CLERK_WEBHOOK_SECRET: first, CLERK_WEBHOOK_SIGNING_SECRET: `${second},${first}` }).webhookSecrets,
    ).toEqual([first, second]);
  });

  test.each(["sk_test_abc", first.slice(6), "whsec_", "whsec_***", `"${first}"`, `${first} ${second}`])(
    "%o is refused",
    (value) => {
      expect(problemsOf({ CLERK_WEBHOOK_SECRET: value })).toContain("CLERK_WEBHOOK_SECRET is not whsec_");
    },
  );

  test("one bad secret among good ones is refused, not dropped", () => {
    expect(problemsOf({ CLERK_WEBHOOK_SECRET: `${first},sk_test_abc` })).toContain("CLERK_WEBHOOK_SECRET");
  });
});

describe("problems", () => {
  test.each([
    ["SUPABASE_URL", "ref.supabase.co", "must be an http(s) URL"],
    ["SUPABASE_URL", "ftp://ref.supabase.co", "must be an http(s) URL"],
    ["PROCESSOR_SECRET", "0123456789abcde", "must have at least 16 characters"],
    ["AUTH_MIRROR", "maybe", "must be on or off"],
    ["DELETE_MODE", "soft", "moved into clerk-sync.config.json"],
    ["MAX_ATTEMPTS", "0", "must be at least 1"],
    ["MAX_ATTEMPTS", "101", "must be at most 100"],
    ["MAX_ATTEMPTS", "2.5", "must be a whole number from 1 to 100"],
    ["MAX_ATTEMPTS", "many", "must be a whole number from 1 to 100"],
    ["RETENTION_DAYS", "0", "must be at least 1"],
    ["RETENTION_DAYS", "3651", "must be at most 3650"],
    ["DATABASE_URL", "mysql://localhost/db", "must be a postgres:// URL"],
    ["DATABASE_URL", "localhost:5432", "must be a postgres:// URL"],
    ["PORT", "65536", "must be at most 65535"],
    ["PORT", "-1", "must be at least 1"],
    ["LOG_LEVEL", "loud", "must be debug, info, warning or error"],
  ])("%s=%s is refused: it %s", (name, value, problem) => {
    const message = problemsOf({ [name]: value });
    expect(message).toContain("The environment has 1 problem:");
    expect(message).toContain(`  ${name} ${problem}`);
  });

  test("all are reported together, one a line", () => {
    const message = problemsOf({ CLERK_WEBHOOK_SECRET: "x", PORT: "x", DELETE_MODE: "x", MAX_ATTEMPTS: "x" });
    const [head, ...lines] = message.split("\n");
    expect(head).toBe("The environment has 4 problems:");
    expect(lines.map((line) => line.trim().split(" ")[0])).toEqual([
      "CLERK_WEBHOOK_SECRET",
      "DELETE_MODE",
      "MAX_ATTEMPTS",
      "PORT",
    ]);
  });

  test("no value is repeated", () => {
    const names = ["CLERK_WEBHOOK_SECRET", "SUPABASE_URL", "SUPABASE_SECRET_KEYS", "AUTH_MIRROR", "DELETE_MODE"];
    const others = ["MAX_ATTEMPTS", "RETENTION_DAYS", "DATABASE_URL", "PORT", "LOG_LEVEL", "PROCESSOR_SECRET"];
    const message = problemsOf(Object.fromEntries([...names, ...others].map((name) => [name, "hunter2"])));
    expect(message).toContain("The environment has 11 problems");
    expect(message).not.toContain("hunter2");
  });
});
