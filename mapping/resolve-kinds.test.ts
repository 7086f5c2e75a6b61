import { expect, it } from "vitest";
import { expandConfiguration } from "./expand-configuration.ts";
import type { KindMapping, Mapping } from "./mapping.ts";
import { planKind } from "./plan-table.ts";
import { resolveMapping } from "./resolve.ts";

const users = { table: "public.people", key: "clerk_id", columns: { id: "uuid", email: "email" } } as const;
const all = { organizations: true, memberships: true, roles: true, invitations: true } as const;

const resolve = (file: Parameters<typeof expandConfiguration>[0]): Mapping =>
  resolveMapping(expandConfiguration({ users, ...file }), { users: null });

const textType = () => ({ type: { kind: "text" }, sqlType: "text" }) as const;

const typesOf = (mapping: KindMapping | null) =>
  Object.fromEntries(mapping?.columns.map(({ name, sqlType }) => [name, sqlType]) ?? []);

it("a kind that is off has no mapping, and does not change the hash", () => {
  const off = resolve({ organizations: false });
  expect(off).toMatchObject({ organizations: null, memberships: null, roles: null, invitations: null });
  expect(off.hash).toBe(resolve({}).hash);
});

it("a kind that is switched on, and one that is mapped otherwise, changes the hash", () => {
  const hashes = [{}, { organizations: true }, { roles: true }, all].map((file) => resolve(file).hash);
  hashes.push(resolve({ organizations: { delete: { soft: "deleted_at" } } }).hash);
  hashes.push(resolve({ organizations: { access: "members" } }).hash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

it("the plain tables have the types of their sources, are closed, and hold Clerk's ids", () => {
  const { organizations, memberships, roles, invitations } = resolve(all);
  expect(typesOf(organizations)).toMatchObject({ max_allowed_memberships: "integer", public_metadata: "jsonb" });
  expect(typesOf(memberships)).toMatchObject({ organization_id: "text", user_id: "text", created_at: "timestamptz" });
  expect(typesOf(roles)).toMatchObject({ key: "text", permissions: "text[]" });
  expect(typesOf(invitations)).toMatchObject({ expires_at: "timestamptz" });
  for (const mapping of [organizations, memberships, roles, invitations]) {
    expect(mapping).toMatchObject({ access: "none", isMade: true, key: { name: "id", sqlType: "text" } });
  }
});

it("the key is the primary key, but a role has its own key as the primary key", () => {
  const { organizations, memberships, roles, invitations } = resolve(all);
  const isPrimaryKey = [organizations, memberships, invitations, roles].map((mapping) => mapping?.key.isPrimaryKey);
  expect(isPrimaryKey).toEqual([true, true, true, false]);
});

it("a pair of organization and user is unique where deleted rows do not stay", () => {
  const uniques = (file: Parameters<typeof expandConfiguration>[0]) => {
    const { memberships } = expandConfiguration({ ...file, organizations: true });
    return memberships && planKind(memberships, textType).uniques;
  };
  expect(uniques({ memberships: true })).toEqual([["id"], ["organization_id", "user_id"]]);
  expect(uniques({ memberships: { delete: { soft: "deleted_at" } } })).toEqual([["id"]]);
});

it("a column with the value of another table's column has the type of that column", () => {
  const { memberships } = resolve({
    organizations: { key: "clerk_id", columns: { created_by: "created_by" } },
    memberships: {
      columns: {
        organization: { from: "organization", as: "created_by" },
        person: { from: "user", as: "id" },
        clerk_user: "user",
      },
    },
  });
  expect(memberships?.columns.map(({ name, sqlType, as }) => [name, sqlType, as])).toEqual([
    ["organization", "text", "created_by"],
    ["person", "uuid", "id"],
    ["clerk_user", "text", null],
  ]);
});
