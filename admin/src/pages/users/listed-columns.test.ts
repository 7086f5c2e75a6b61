import { expect, test } from "vitest";
import { listedColumns } from "./listed-columns.ts";

test("a list shows what tells users apart, in the order of the table", () => {
  const sources = ["uuid", "email", "image_url", "public_metadata.plan", "created_at", "now", "username"];
  const columns = sources.map((source, place) => ({ name: `column${place}`, source, value: null, rule: null }));
  expect(listedColumns(columns).map(({ source }) => source)).toEqual(["email", "public_metadata.plan", "username"]);
});
