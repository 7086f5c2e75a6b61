import type { TableName } from "./mapping.ts";

/** Words that PostgreSQL 15 to 18 take as a name only in quotes (pg_get_keywords, all but the unreserved ones). */
const keywords = new Set(
  `
  all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
  cast char character check coalesce collate collation column concurrently constraint create cross
  current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
  decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
  freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
  interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
  json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
  localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
  only or order out outer overlaps overlay placing position precision primary real references returning right
  row select session_user setof similar smallint some substring symmetric system_user table tablesample then
  time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where
  window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
  xmlserialize xmltable
`
    .trim()
    .split(/\s+/),
);

/** A name as it stands in SQL, quoted only where it must be: the same as quote_ident of PostgreSQL. */
export function quoteIdentifier(name: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(name) && !keywords.has(name)) return name;
  return `"${name.replaceAll('"', '""')}"`;
}

/** `public."User"` */
export function quoteTable({ schema, name }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A text as a literal of SQL, whatever standard_conforming_strings is: the same as quote_literal of PostgreSQL. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}

/** The body of a function or of a do block between dollars: `$$`, or a tag when the body has these characters. */
export function quoteBody(body: string): string {
  const tags = ["$$", "$sql$", ...Array.from({ length: 100 }, (_, number) => `$sql${number}$`)];
  const tag = tags.find((candidate) => !`${body}$`.includes(candidate));
  if (tag === undefined) throw new RangeError("the body has every tag that could end it");
  return `${tag}${body}${tag}`;
}
