import { SchemaEngine } from "@prisma/schema-engine-wasm";

type Answer = { ok: true; value: unknown; map: (change: (value: unknown) => unknown) => Answer };

const answer = (value: unknown): Answer => ({ ok: true, value, map: (change) => answer(change(value)) });

/** The engine asks for the version and for a schema that is there, before it compares two texts. */
const connection = {
  adapterName: "@prisma/adapter-pg",
  provider: "postgres",
  queryRaw: async () =>
    answer({
      columnNames: ["exists", "version", "numeric_version"],
      columnTypes: [5, 7, 0],
      rows: [[true, "PostgreSQL 17.0", 170000]],
    }),
  executeScript: async () => answer(undefined),
  getConnectionInfo: () => answer({ schemaName: "public", maxBindValues: 1000, supportsRelationJoins: true }),
  dispose: async () => answer(undefined),
};

const adapter = {
  adapterName: connection.adapterName,
  provider: connection.provider,
  errorRegistry: { consumeError: () => undefined },
  connect: async () => answer(connection),
  connectToShadowDb: async () => answer(connection),
};

/** The SQL that Prisma Migrate itself makes of a schema, by its own engine. */
export async function prismaSql(files: readonly { file: string; text: string }[]): Promise<string> {
  const datamodels = files.map(({ file, text }): [string, string] => [file, text]);
  const engine = await SchemaEngine.new({ datamodels }, () => undefined, adapter);
  const { stdout } = await engine.diff({
    from: { tag: "empty" },
    to: { tag: "schemaDatamodel", files: files.map(({ file, text }) => ({ path: file, content: text })) },
    script: true,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return stdout ?? "";
}
