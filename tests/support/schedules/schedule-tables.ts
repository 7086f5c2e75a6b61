import type { UserFields } from "#core/config/mapping.ts";
import type { Mapping } from "../../../mapping/mapping.ts";
import { createTestDatabase, type TestDatabase } from "../database/test-database.ts";
import { teamFiles, type UsersFile } from "../mapping/configure-users.ts";
import { contractMapping } from "../mapping/contract-mapping.ts";
import { createMappedDatabase, readFields } from "../mapping/mapped-queue.ts";
import { teamTables } from "../mapping/team-tables.ts";

/** A table of users that schedules are played on, in a database of its own. */
export type ScheduleTable = TestDatabase & {
  mapping: Mapping;
  /** What payloads hold, with what the mirror needs. */
  fields: UserFields;
  /** Puts a row there, as a table has them before the sync. id null: one without a Clerk id, where the key may be null. */
  insert: (id: string | null, email: string) => Promise<void>;
};

/**
 * A table with its file; null: the table that the root file of this repository maps. Only that one links rows: the key of
 * the others is the primary key, or may not be null, so that no row without a Clerk id is there.
 */
type Definition = { table: { ddl: string; file: UsersFile } | null; insert: string };

const definitions = {
  /** Unique addresses, roles of an enum, rows that are linked by their address; rows are deleted. */
  contract: {
    table: null,
    insert: "insert into public.users (clerk_id, email, name, role) values ($1, $2, 'Old', 'admin')",
  },
  /** The Clerk id is the primary key, addresses are not unique; a nickname is written once, some roles are refused. */
  profiles: {
    table: {
      ddl: `${teamTables.profiles}
        alter table public.profiles add nickname text, add role text not null default 'member'`,
      file: {
        ...teamFiles.profiles,
        columns: {
          ...teamFiles.profiles.columns,
          nickname: { from: "first_name", write: "once" },
          role: { from: "public_metadata.role", default: "member", allowed: ["member", "admin"] },
        },
      },
    },
    insert: `insert into public.profiles (id, email, username, nickname, role) values ($1, $2, 'old', 'Old', 'editor')`,
  },
  /** Names in capitals, unique addresses that may not be null, a primary key that we make; rows are marked as deleted. */
  prisma: {
    table: {
      ddl: `${teamTables.prisma} alter table "User" add "deletedAt" timestamp(3)`,
      file: { ...teamFiles.prisma, softDelete: "deletedAt" },
    },
    insert: `insert into "User" ("id", "clerkId", "email", "firstName", "updatedAt")
      values ('old ' || $1::text, $1, $2, 'Old', now())`,
  },
} as const satisfies Record<string, Definition>;

export type TableName = keyof typeof definitions;

export const tableNames = Object.keys(definitions) as readonly TableName[];

export async function openScheduleTable(name: TableName): Promise<ScheduleTable> {
  const { table, insert }: Definition = definitions[name];
  const { mapping, ...opened } =
    table === null
      ? { mapping: contractMapping, ...(await createTestDatabase()) }
      : await createMappedDatabase(table.ddl, table.file);
  return {
    ...opened,
    mapping,
    fields: readFields(mapping, true),
    insert: async (id, email) => {
      await opened.pool.query(insert, [id, email]);
    },
  };
}
