import { readFile } from "node:fs/promises";

const table = await readFile(new URL("../../fixtures/existing-users.sql", import.meta.url), "utf8");

/** A users table with rows as tutorials leave it: all rights for everybody, and row level security to hold the line. */
export const olderUsersTable = `
  ${table}
  grant all on public.users to anon, authenticated;
  grant update (role, email) on public.users to authenticated;`;
