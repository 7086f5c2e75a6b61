import { expect, it } from "vitest";
import { makeLink, readLinkToken } from "./link-token.ts";

it("a link carries its token behind #, where no server sees it", () => {
  const link = new URL(makeLink("https://a.example/admin/", "a.b+c/d=&e"));
  expect(link.search).toBe("");
  expect(readLinkToken(link.hash)).toBe("a.b+c/d=&e");
});

it.each(["", "#", "#token=", "#circuits"])("%j of an address is no token", (hash) => {
  expect(readLinkToken(hash)).toBeNull();
});
