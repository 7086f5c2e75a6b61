import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { contractMapping } from "../tests/support/mapping/contract-mapping.ts";
import { formatUsers } from "./generate-users.ts";

test("the schema has the functions that the mapping of this repository generates", async () => {
  const written = await readFile(new URL("../supabase/schemas/04_users.sql", import.meta.url), "utf8");
  expect(written).toBe(formatUsers(contractMapping));
});
