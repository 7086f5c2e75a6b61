import { expect, test } from "vitest";
import { explainContent } from "./check-content.ts";

type Content = Parameters<typeof explainContent>[0];

const well: Content = {
  table: "public.users",
  looked_at: { rows: 3, is_all: true, empty: [] },
  unlinked: { rows: 0, is_all: true, examples: [] },
  refused: { is_all: true, values: [] },
};
const explain = (changes: Partial<Content>) => explainContent({ ...well, ...changes }, { isSupabase: true });

test("a table that holds what the mapping is for is well", () => {
  expect(explain({}).map(({ check, state, what }) => [check, state, what])).toEqual([
    ["mapped columns", "ok", "each has a value somewhere in the 3 rows of users"],
    ["rows without id", "ok", "each row of public.users has a Clerk id"],
    ["refused values", "ok", "none: each column took what Clerk has"],
  ]);
  expect(explain({ looked_at: { rows: 0, is_all: true, empty: [] } })[0]).toEqual({
    check: "mapped columns",
    state: "ok",
    what: "no user has a row yet",
  });
});

test("each column that is empty for everybody is named with how far was looked and what fills it", () => {
  const empty = [
    { name: "image_url", source: "image_url", is_written: true },
    { name: "plan", source: "public_metadata.plan", is_written: true },
    { name: "nickname", source: "first_name", is_written: false },
  ];
  const findings = explain({ looked_at: { rows: 10_000, is_all: false, empty } }).slice(0, 3);
  expect(findings).toEqual([
    {
      check: "mapped columns",
      state: "warning",
      what: "image_url of public.users is empty in the newest 10,000 rows of users",
      remedy:
        "clerk-sync backfill --columns image_url fills it where users have image_url at Clerk. If none has it, nothing is wrong.",
    },
    expect.objectContaining({
      remedy:
        "clerk-sync backfill --columns plan fills it where users have public_metadata.plan at Clerk. If none has it, is that path in clerk-sync.config.json right?",
    }),
    expect.objectContaining({ remedy: expect.stringContaining("only when it makes a row") }),
  ]);
  expect(explain({ looked_at: { rows: 1, is_all: true, empty } })[0]?.what).toBe(
    "image_url of public.users is empty in the 1 row of users",
  );
});

test("rows without a Clerk id are counted as far as was looked, with examples and how to link them", () => {
  expect(explain({ unlinked: { rows: 1, is_all: true, examples: ["7"] } })[1]).toMatchObject({
    state: "warning",
    what: "1 row has no Clerk id in public.users: 7",
    remedy: expect.stringMatching(/"link_by": "email".*clerk-sync users link <clerk id> --row 7\./),
  });
  const many = explain({ unlinked: { rows: 10_000, is_all: false, examples: ["1", "2", "3"] } })[1];
  expect(many?.what).toBe("more than 10,000 rows have no Clerk id in public.users: 1, 2, 3, …");
});

test("refused values are counted by column and kind, and a text can be allowed", () => {
  const [text, list] = explain({
    refused: {
      is_all: false,
      values: [
        { name: "role", kind: "text", users: 2, example: "user_1" },
        { name: "plan", kind: "array", users: 1, example: "user_2" },
      ],
    },
  }).slice(2);
  expect(text).toEqual({
    check: "refused values",
    state: "warning",
    what: "role did not take a text that at least 2 users have at Clerk, and has its default there",
    remedy: expect.stringMatching(/^Add the value to "allowed" of role .* backfill --columns role\. .* show user_1 /),
  });
  expect(list).toMatchObject({
    what: "plan did not take an array that at least 1 user has at Clerk, and has its default there",
    remedy: "The column takes one text: correct it at Clerk; clerk-sync users show user_2 shows one.",
  });
});
