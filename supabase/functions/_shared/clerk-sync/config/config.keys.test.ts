import { describe, expect, test } from "vitest";
import { type Environment, readConfig } from "./config.ts";

function problemsOf(environment: Environment): string {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toMatchObject({ name: "SyncError", code: "config_invalid" });
    return error instanceof Error ? error.message : "";
  }
  throw new Error("the environment was accepted");
}

describe("secret keys", () => {
  test("the one named default comes first, and the older variables follow", () => {
    const environment = {
      SUPABASE_SECRET_KEYS: '{"ci":"sb_secret_ci","default":"sb_secret_main"}',
      SUPABASE_SECRET_KEY: "sb_secret_single",
      SUPABASE_SERVICE_ROLE_KEY: "eyJ.service.role",
    };
    expect(readConfig(environment).secretKeys).toEqual([
      "sb_secret_main",
      "sb_secret_ci",
      "sb_secret_single",
      "eyJ.service.role",
    ]);
  });

  test("a key that is given twice counts once", () => {
    const environment = {
      SUPABASE_SECRET_KEYS: '{"a":"sb_secret_1","b":"sb_secret_1"}',
      SUPABASE_SECRET_KEY: "sb_secret_1",
    };
    expect(readConfig(environment).secretKeys).toEqual(["sb_secret_1"]);
  });

  test("the service role key alone is enough", () => {
    expect(readConfig({ SUPABASE_SERVICE_ROLE_KEY: " eyJ.service.role " }).secretKeys).toEqual(["eyJ.service.role"]);
  });

  test.each(["sb_secret_1", '["sb_secret_1"]', "null", '{"default":""}', '{"default":7}', '"sb_secret_1"'])(
    "SUPABASE_SECRET_KEYS=%s is refused",
    (value) => {
      expect(problemsOf({ SUPABASE_SECRET_KEYS: value })).toContain("  SUPABASE_SECRET_KEYS ");
    },
  );
});
