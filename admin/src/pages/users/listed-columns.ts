import type { MappedColumn } from "#core/admin/contract/users.ts";

/** Times, ids and pictures: they tell no user from another at a glance. */
const leftOut: ReadonlySet<string> = new Set([
  "id",
  "uuid",
  "now",
  "created_at",
  "updated_at",
  "last_sign_in_at",
  "image_url",
  "has_image",
  "public_metadata",
]);

/** The columns of the table that a list of users has room for. */
export function listedColumns(columns: readonly MappedColumn[]): MappedColumn[] {
  return columns.filter(({ source }) => !leftOut.has(source));
}
