import { expect, test } from "vitest";
import { linkHeader, parseListPage } from "./list-page.ts";

const pageOf = (query: string) => parseListPage(new URLSearchParams(query));
const linkOf = (query: string, total: bigint) =>
  linkHeader(new URL(`http://localhost/auth/v1/admin/users?${query}`), pageOf(query), total);

test.each([
  ["", 50n, 0n],
  ["page=3&per_page=10", 10n, 20n],
  ["page=0", 50n, 0n],
  ["per_page=0", 20n, 0n],
  ["per_page=100000", 100_000n, 0n],
])("the query %j reads %d users from %d on", (query, limit, offset) => {
  expect(pageOf(query)).toMatchObject({ limit, offset });
});

test.each([
  ["page=x", 'Bad Pagination Parameters: strconv.ParseUint: parsing "x": invalid syntax'],
  ["per_page=-1", 'Bad Pagination Parameters: strconv.ParseUint: parsing "-1": invalid syntax'],
  ["page=18446744073709551616", "value out of range"],
  ["sort=email", "Bad Sort Parameters: bad field for sort 'email'"],
  ["sort=created_at up", "Bad Sort Parameters: bad direction for sort 'up', only 'asc' and 'desc' allowed"],
])("the query %j is refused", (query, message) => {
  expect(() => pageOf(query)).toThrow(message);
});

test("the link header names the next and the last page with the query kept", () => {
  expect(linkOf("page=1&per_page=2", 5n)).toBe(
    '</admin/users?page=2&per_page=2>; rel="next", </admin/users?page=3&per_page=2>; rel="last"',
  );
  expect(linkOf("page=3&per_page=2", 5n)).toBe('</admin/users?page=3&per_page=2>; rel="last"');
});
