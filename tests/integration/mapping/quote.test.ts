import fc from "fast-check";
import { expect, inject, it } from "vitest";
import { quoteBody, quoteIdentifier, quoteLiteral } from "../../../mapping/quote.ts";
import { withConnection } from "../../../server/with-connection.ts";

const text = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('"', "'", "\\", "$", "$$", "$sql$", "A", "a", "_", "1", "ä", "😀"),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
  })
  .filter((value) => !value.includes("\0"));

it("quotes names, texts and bodies as PostgreSQL reads them", () =>
  withConnection(inject("postgresUrl"), async (client) => {
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const { rows } = await client.query("select quote_ident($1) as identifier, quote_literal($1) as literal", [
          value,
        ]);
        expect({ identifier: quoteIdentifier(value), literal: quoteLiteral(value) }).toEqual(rows[0]);
        const read = await client.query({
          text: `select ${quoteLiteral(value)}, ${quoteBody(value)}`,
          rowMode: "array",
        });
        expect(read.rows).toEqual([[value, value]]);
      }),
    );
  }));

it("quotes a keyword exactly when PostgreSQL does", () =>
  withConnection(inject("postgresUrl"), async (client) => {
    const { rows } = await client.query<{ word: string; quoted: string }>(
      "select word, quote_ident(word) as quoted from pg_get_keywords()",
    );
    expect(rows.length).toBeGreaterThan(400);
    expect(rows.filter(({ word, quoted }) => quoteIdentifier(word) !== quoted)).toEqual([]);
  }));
