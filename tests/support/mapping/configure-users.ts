import type { ColumnConfiguration, UsersConfiguration } from "../../../mapping/configuration.ts";
import type { DefaultValue, TableName } from "../../../mapping/mapping.ts";
import type { UserSource } from "../../../mapping/sources.ts";

type Line =
  | UserSource
  | {
      from: UserSource;
      default?: DefaultValue | undefined;
      write?: "always" | "once";
      allowed?: readonly string[] | undefined;
    };

export type UsersFile = {
  table?: string | TableName;
  key: string;
  columns: Readonly<Record<string, Line>>;
  linkBy?: "email" | undefined;
  softDelete?: string | undefined;
  editable?: readonly string[];
};

/** The users of a configuration, written as in its file. */
export function configureUsers({ table = "users", key, columns, linkBy, softDelete, editable }: UsersFile): {
  users: UsersConfiguration;
} {
  return {
    users: {
      table: typeof table === "string" ? { schema: "public", name: table } : table,
      key,
      columns: Object.entries(columns).map(([name, line]) => expandLine(name, line)),
      linkBy: linkBy ?? null,
      softDelete: softDelete ?? null,
      access: editable === undefined ? null : { kind: "own_row", editable },
    },
  };
}

export function expandLine(name: string, line: Line): ColumnConfiguration<UserSource> {
  if (typeof line === "string") return { name, source: line, default: undefined, write: "always", allowed: null };
  const { from, default: value, write = "always", allowed = null } = line;
  return { name, source: from, default: value, write, allowed };
}

/** The files that the teams of team-tables.ts would write. */
export const teamFiles = {
  profiles: {
    table: "profiles",
    key: "id",
    columns: { username: "username", full_name: "name", avatar_url: "image_url", email: "email" },
  },
  prisma: {
    table: "User",
    key: "clerkId",
    columns: {
      id: "uuid",
      email: { from: "email", default: "{id}@users.invalid" },
      firstName: "first_name",
      lastName: "last_name",
      imageUrl: "image_url",
      createdAt: "created_at",
      updatedAt: "now",
    },
  },
  drizzle: {
    key: "clerk_user_id",
    columns: {
      email: { from: "email", default: "{id}@users.invalid" },
      first_name: "first_name",
      last_name: "last_name",
      image_url: "image_url",
      role: { from: "public_metadata.role", default: "viewer" },
    },
    softDelete: "deleted_at",
  },
  roles: { key: "clerk_id", columns: { role: { from: "public_metadata.role", default: "user" } } },
  cycles: { key: "id", columns: {} },
  customers: { key: "clerk_id", columns: { email: "email" }, linkBy: "email" },
} as const satisfies Record<string, UsersFile>;
