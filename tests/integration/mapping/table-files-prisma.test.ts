import type pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listTables, type TableOfFiles } from "../../../mapping/table-files/list-tables.ts";
import { type PrismaSchema, writePrisma } from "../../../mapping/table-files/write-prisma.ts";
import { createEmptyDatabase, type TestDatabase } from "../../support/database/test-database.ts";
import { expectSameTables } from "../../support/mapping/compare-tables.ts";
import { prismaSql } from "../../support/mapping/prisma-sql.ts";

let opened: TestDatabase;
let client: pg.PoolClient;
beforeEach(async () => {
  opened = await createEmptyDatabase();
  client = await opened.pool.connect();
});
afterEach(async () => {
  client.release();
  await opened.drop();
});

const header = `
generator client {
  provider = "prisma-client"
}
datasource db {
  provider = "postgresql"
}
`;

function read(schema: PrismaSchema): Promise<TableOfFiles[]> {
  const { sql, filled, unread } = writePrisma(schema);
  return listTables([sql], { extensionSchema: "public", filled, unread });
}

/** Prisma wants a line for each brace. */
function layOut(text: string): string {
  return text.replace(/((?:model|enum) \w+ \{) /g, "$1\n").replace(/ \}$/gm, "\n}");
}

/** What Prisma's own engine makes in a database has the facts that are read from the schema. */
async function compare(texts: readonly string[], start = header): Promise<TableOfFiles[]> {
  const schema = texts.map((text, index) => ({
    file: `prisma/${index}.prisma`,
    text: layOut(index === 0 ? start + text : text),
  }));
  await client.query(await prismaSql(schema));
  const tables = await read(schema);
  await expectSameTables(client, tables);
  expect(tables.flatMap(({ unread }) => unread)).toEqual([]);
  return tables;
}

const defaultModel = `
model User {
  id        String   @id @default(cuid()) // not in the database
  clerkId   String   @unique
  email     String   @unique
  firstName String?
  lastName  String?
  imageUrl  String?
  createdAt DateTime @default(now())
  updatedAt DateTime @updatedAt
}`;

it("Prisma's default model is read as its engine makes it, with what only its client fills", async () => {
  const [user] = await compare([defaultModel]);
  expect(user?.facts.table).toEqual({ schema: "public", name: "User" });
  expect(user?.filledByApp).toEqual([
    { column: "id", how: "cuid()" },
    { column: "updatedAt", how: "@updatedAt" },
  ]);
  expect(user?.place).toEqual({ file: "prisma/0.prisma", line: 9 });
  expect(user?.columns.get("email")).toEqual({ file: "prisma/0.prisma", line: 12 });
});

const schemas = {
  "all types": `
    enum Role {
      USER  @map("user")
      ADMIN
      @@map("user_role")
    }
    model Everything {
      id Int @id @default(autoincrement())
      a01 String
      a02 String? @db.VarChar(64)
      a03 String @db.Char(3)
      a04 String @db.Uuid @default(dbgenerated("gen_random_uuid()"))
      a05 Boolean @default(true)
      a06 Int @default(5)
      a07 Int @db.SmallInt
      a08 BigInt @default(autoincrement())
      a09 BigInt @default(5000000000)
      a10 Float @default(1.5)
      a11 Float @db.Real
      a12 Decimal
      a13 Decimal @db.Decimal(10, 2) @default(0)
      a14 Decimal @db.Money
      a15 DateTime @default(now())
      a16 DateTime @db.Timestamptz @default(now())
      a17 DateTime @db.Timestamptz(6)
      a18 DateTime @db.Date
      a19 DateTime @db.Time(3)
      a20 DateTime @db.Timestamp(0) @updatedAt
      a21 Json @default("{\\"b\\": 1}")
      a22 Json @db.Json
      a23 Bytes
      a24 Role @default(USER)
      a25 Role?
      a26 Role[] @default([ADMIN, USER])
      a27 String[]
      a28 String[] @default(["a", "it's"])
      a29 String @default("it's \\"quoted\\"")
      a30 String @default(uuid())
      a31 String @default(nanoid())
      a32 Int @db.SmallInt @default(autoincrement())
      a33 String @db.Inet
      a34 String @db.Bit(3)
      a35 String @db.VarChar
      a36 Unsupported("tsvector")?
      a37 Unsupported("circle")
      a38 Int[] @default([])
      a39 Int @default(-1)
      a40 String @default(dbgenerated("lower('X')"))
      a41 String @default("") @db.VarChar(10)
      a42 Int @default(dbgenerated("5"))
      a43 Boolean? @default(false)
    }`,
  "names and keys": `
    model account_user {
      tenant  String @map("tenant_id")
      user    String @map("user_id")
      email   String @unique(map: "one_email")
      phone   String?
      @@id([tenant, user])
      @@unique([email, phone], name: "both")
      @@unique([phone(sort: Desc)])
      @@index([phone])
      @@map("accounts")
    }
    model A { id String @id(map: "my_key") }
    model aVeryLongNameOfAModelThatIsLongerThanPostgresTakesForNames {
      aVeryLongNameOfAFieldThatIsLong String @unique
      key String @id
    }`,
  relations: `
    model User {
      id      String  @id
      email   String  @unique
      posts   Post[]  @relation("written")
      liked   Post[]  @relation("liked")
      tags    Tag[]
      reviewed Post[] @relation("reviewed")
      boss    User?   @relation("bosses", fields: [bossId], references: [id], onDelete: NoAction, onUpdate: NoAction)
      bossId  String? @map("boss_id")
      team    User[]  @relation("bosses")
      friends User[]  @relation("friends")
      friendOf User[] @relation("friends")
      profile Profile?
      @@map("users")
    }
    model Profile { id Int @id @default(autoincrement())
      user User @relation(fields: [userId], references: [id], onDelete: Cascade, map: "to_user")
      userId String @unique }
    model Post {
      id       Int    @id @default(autoincrement())
      author   User   @relation("written", fields: [authorEmail], references: [email])
      authorEmail String
      likedBy  User[] @relation("liked")
      reviewer User?  @relation("reviewed", fields: [reviewerId], references: [id])
      reviewerId String?
      editor   Editor? @relation(fields: [editorA, editorB], references: [a, b], onDelete: SetDefault)
      editorA  Int?
      editorB  Int?
    }
    model Editor { a Int
      b Int
      posts Post[]
      @@id([a, b]) }
    model Tag { id BigInt @id @default(autoincrement())
      users User[] }`,
};

it.each(Object.entries(schemas))("a Prisma schema with %s is read as its engine makes it", async (_, text) => {
  await compare([text]);
});

it("a schema of several files and of several database schemas is read as one", async () => {
  await client.query("create schema staff; create schema app");
  const texts = [
    `
    enum Role { A
      B
      @@schema("staff") }
    model Org { id String @id
      users User[]
      @@schema("app") }`,
    `
    model User { id String @id
      role Role @default(B)
      org Org? @relation(fields: [orgId], references: [id])
      orgId String?
      @@schema("staff")
      @@map("members") }`,
  ];
  await compare(texts, header.replace('"postgresql"', '"postgresql"\n  schemas = ["app", "staff"]'));
});

it("relationMode prisma makes no foreign keys, and another database no tables", async () => {
  const models = `
    model User { id String @id
      posts Post[] }
    model Post { id String @id
      user User @relation(fields: [userId], references: [id])
      userId String }`;
  const of = (setting: string) => [
    { file: "schema.prisma", text: layOut(header.replace('provider = "postgresql"', setting) + models) },
  ];
  const withMode = of('provider = "postgresql"\n relationMode = "prisma"');
  await client.query(await prismaSql(withMode));
  await expectSameTables(client, await read(withMode));
  expect(await read(of('provider = "mysql"'))).toEqual([]);
});

it("a line that is not understood is named, and hides no other", async () => {
  const [user] = await read([
    { file: "schema.prisma", text: "model User {\n  id String @id\n  email : String\n  name String?\n}" },
  ]);
  expect(user?.facts.columns.map(({ name }) => name)).toContain("name");
  expect(
    writePrisma([{ file: "a.prisma", text: "model User {\n  id String @id\n  email String = 3\n}" }]).unread,
  ).toMatchObject([{ place: { file: "a.prisma", line: 3 } }]);
});
