import { expect, test } from "vitest";
import type { StoredUserPage, UserRecord } from "../contract/users.ts";
import { describeSearch } from "./search-words.ts";

const page = (names: readonly string[], changes: Partial<StoredUserPage> = {}, isCut = false): StoredUserPage => ({
  users: [],
  next: null,
  search: {
    searched: [],
    not_searched: names.map((name) => ({ name, remedy: `create index on users (lower(${name}));` })),
    is_cut: isCut,
  },
  ...changes,
});
const user: UserRecord = {
  clerk_id: "user_1",
  table: "public.users",
  columns: [],
  row: null,
  state: null,
  values: null,
  open_jobs: 0,
  dead_jobs: 0,
};

test("a search says which columns it left out, and that there is more", () => {
  expect(describeSearch("Ada", page(["name"]))).toBe("Not searched, because it has no index: name.");
  expect(describeSearch("Ada", page(["name", "nick"]))).toBe("Not searched, because they have no index: name, nick.");
  expect(describeSearch("Ada", page([], {}, true))).toBe("More rows hold this text than are listed.");
  expect(describeSearch("Ada", page(["name"], {}, true))).toBe(
    "More rows hold this text than are listed. Not searched, because it has no index: name.",
  );
});

test("a search that left nothing out says nothing, nor does one for an id or for an address that was found", () => {
  expect(describeSearch("Ada", page([]))).toBeNull();
  expect(describeSearch("Ada", page([], { search: null }))).toBeNull();
  expect(describeSearch("user_2a", page(["name"]))).toBeNull();
  expect(describeSearch("ada@example.com", page(["name"], { users: [user] }))).toBeNull();
  expect(describeSearch("ada@example.com", page(["name"]))).not.toBeNull();
});
