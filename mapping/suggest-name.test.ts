import fc from "fast-check";
import { expect, test } from "vitest";
import { userSources } from "./sources.ts";
import { suggestName } from "./suggest-name.ts";

test.each([
  ["imageUrl", "image_url"],
  ["IMAGE_URL", "image_url"],
  ["image-url", "image_url"],
  ["emial", "email"],
  ["usrname", "username"],
  ["fist_name", "first_name"],
  ["public_metdata", "public_metadata"],
])("%s means %s", (found, meant) => {
  expect(suggestName(found, userSources)).toBe(meant);
});

test.each(["favourite_colour", "x", "", "plan"])("%j means nothing that is known", (found) => {
  expect(suggestName(found, userSources)).toBeNull();
});

test("a known name is its own suggestion", () => {
  fc.assert(fc.property(fc.constantFrom(...userSources), (name) => suggestName(name, userSources) === name));
});
