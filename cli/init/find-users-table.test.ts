import { expect, test } from "vitest";
import { findUsersTable } from "./find-users-table.ts";
import type { Project } from "./read-project.ts";

const path = "supabase/migrations/20270101000000_a.sql";

function project(sql: string, file = path): Project {
  return { config: "", manifest: null, files: new Map([[file, sql]]), folders: new Set(), ref: null };
}

test.each([
  ["create table users (id int);"],
  ["CREATE TABLE IF NOT EXISTS public.users(id int);"],
  ['select 1;\ncreate  table "public"."users"\n(id int);'],
])("%j makes a users table", (sql) => {
  expect(findUsersTable(project(sql))).toBe(path);
});

test.each([
  ["create table auth.users (id int);"],
  ["create table users_old (id int);"],
  ["create table users.profiles (id int);"],
  ["-- create table users (id int);"],
  ["/* create table\nusers */ create table a (user_id int references public.users);"],
])("%j makes none", (sql) => {
  expect(findUsersTable(project(sql))).toBeNull();
});

test("our own migration is no table of the project's, nor is a file elsewhere", () => {
  const entry = { source: "a.sql", path, sha256: "" };
  const manifest = { version: "1", migrations: [entry], files: [], sections: [], folders: [], kept: [] };
  const sql = "create table users (id int);";
  expect(findUsersTable({ ...project(sql), manifest })).toBeNull();
  expect(findUsersTable(project(sql, "supabase/tests/a.sql"))).toBeNull();
});
