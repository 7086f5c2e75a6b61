import { expect, test } from "vitest";
import { setConfigValue } from "./set-config-value.ts";

const wanted = { name: "clerk-webhook", key: "verify_jwt", value: false };
const set = (text: string) => setConfigValue(text, wanted);

test.each([
  [
    "in a section, its comment kept",
    "[functions.clerk-webhook]\nverify_jwt = true # why\n",
    "[functions.clerk-webhook]\nverify_jwt = false # why\n",
    2,
  ],
  [
    "with CRLF and odd spaces",
    "[functions.clerk-webhook]\r\n  verify_jwt=true\r\n",
    "[functions.clerk-webhook]\r\n  verify_jwt=false\r\n",
    2,
  ],
  ["at a dotted key", "functions.clerk-webhook.verify_jwt = true", "functions.clerk-webhook.verify_jwt = false", 1],
  [
    "at a dotted key below [functions]",
    "[functions]\nown.verify_jwt = true\nclerk-webhook.verify_jwt = true\n",
    "[functions]\nown.verify_jwt = true\nclerk-webhook.verify_jwt = false\n",
    3,
  ],
  [
    "in an inline table",
    "[functions]\nclerk-webhook = { enabled = true, verify_jwt = true }\n",
    "[functions]\nclerk-webhook = { enabled = true, verify_jwt = false }\n",
    2,
  ],
  [
    "in the right one of two inline tables on a line",
    "functions = { own = { verify_jwt = true }, clerk-webhook = { verify_jwt = true } }\n",
    "functions = { own = { verify_jwt = true }, clerk-webhook = { verify_jwt = false } }\n",
    1,
  ],
  [
    "below another section, and not in the line that is commented out",
    "[functions.own]\nverify_jwt = true\n[functions.clerk-webhook]\n# verify_jwt = true\nverify_jwt = true\n",
    "[functions.own]\nverify_jwt = true\n[functions.clerk-webhook]\n# verify_jwt = true\nverify_jwt = false\n",
    5,
  ],
  [
    "with a quoted name and key",
    '[functions."clerk-webhook"]\n"verify_jwt" = true\n',
    '[functions."clerk-webhook"]\n"verify_jwt" = false\n',
    2,
  ],
])("a value is replaced %s", (_, text, expected, line) => {
  expect(set(text)).toEqual({ text: expected, line });
});

test.each([
  [
    "below the header",
    "[functions.clerk-webhook]\nenabled = true\n",
    "[functions.clerk-webhook]\nverify_jwt = false\nenabled = true\n",
  ],
  [
    "below a header without a final newline",
    "[functions.clerk-webhook]",
    "[functions.clerk-webhook]\nverify_jwt = false\n",
  ],
  [
    "beside a dotted key",
    "functions.clerk-webhook.enabled = true\n",
    "functions.clerk-webhook.verify_jwt = false\nfunctions.clerk-webhook.enabled = true\n",
  ],
  [
    "in an inline table",
    "[functions]\nclerk-webhook = { enabled = true }\n",
    "[functions]\nclerk-webhook = { verify_jwt = false, enabled = true }\n",
  ],
  [
    "in an empty inline table",
    "[functions]\nclerk-webhook = {}\n",
    "[functions]\nclerk-webhook = { verify_jwt = false }\n",
  ],
])("a missing value is added %s", (_, text, expected) => {
  expect(set(text)?.text).toBe(expected);
});

test("where there is no such table, or a list stands for the value, nothing is changed", () => {
  expect(set("[functions.own]\nverify_jwt = true\n")).toBeNull();
  expect(set("[functions.clerk-webhook]\nverify_jwt = [\n  true,\n]\n")).toBeNull();
});
