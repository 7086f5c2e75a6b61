import { expect, it } from "vitest";
import { readApiUrl } from "./api-url.ts";

it.each([
  ["https://abc.supabase.co", "https://abc.supabase.co/functions/v1/sync-admin"],
  [" https://abc.supabase.co/ ", "https://abc.supabase.co/functions/v1/sync-admin"],
  ["https://x.example/api/sync-admin/", "https://x.example/api/sync-admin"],
  ["http://127.0.0.1:54321", "http://127.0.0.1:54321/functions/v1/sync-admin"],
  ["http://localhost:54321", "http://localhost:54321/functions/v1/sync-admin"],
])("%s is the API at %s", (entered, url) => {
  expect(readApiUrl(entered)).toBe(url);
});

it.each([
  "abc.supabase.co",
  "",
  "javascript:alert(1)",
  "ftp://a.example",
  "http://a.example",
  "http://localhost.evil.example",
])("no key is sent to %s: no URL, or unencrypted to another machine", (entered) => {
  expect(readApiUrl(entered)).toBeNull();
});
