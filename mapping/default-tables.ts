import type { ConfigurationFile } from "./configuration-schema.ts";
import type { Kind } from "./source-words.ts";

type Section<Name extends Kind> = Exclude<NonNullable<ConfigurationFile[Name]>, boolean>;

type PlainTable<Name extends Kind> = {
  table: string;
  key: string;
  columns: NonNullable<Section<Name>["columns"]>;
};

/** The table of each kind where the file names none. */
export const defaultTables: { [Name in Kind]: PlainTable<Name> } = {
  users: {
    table: "public.users",
    key: "clerk_id",
    columns: {
      id: "uuid",
      email: "email",
      name: "name",
      image_url: "image_url",
      role: { from: "public_metadata.role", default: "user" },
      created_at: "created_at",
      updated_at: "now",
    },
  },
  organizations: {
    table: "public.organizations",
    key: "id",
    columns: {
      name: "name",
      slug: "slug",
      image_url: "image_url",
      public_metadata: "public_metadata",
      created_by: "created_by",
      max_allowed_memberships: "max_allowed_memberships",
      created_at: "created_at",
      updated_at: "updated_at",
    },
  },
  memberships: {
    table: "public.organization_memberships",
    key: "id",
    columns: {
      organization_id: "organization",
      user_id: "user",
      role: "role",
      public_metadata: "public_metadata",
      created_at: "created_at",
      updated_at: "updated_at",
    },
  },
  roles: {
    table: "public.organization_roles",
    key: "id",
    columns: { key: "key", name: "name", description: "description", permissions: "permissions" },
  },
  invitations: {
    table: "public.organization_invitations",
    key: "id",
    columns: {
      organization_id: "organization",
      email: "email",
      role: "role",
      status: "status",
      expires_at: "expires_at",
      created_at: "created_at",
      updated_at: "updated_at",
    },
  },
};
