import path from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../../server/postgres/embedded-postgres.ts";
import { createTestFolder } from "./test-folder.ts";

declare module "vitest" {
  export interface ProvidedContext {
    postgresUrl: string;
  }
}

/** vitest's global setup: one PostgreSQL 17 for all integration tests, gone when they are done. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await createTestFolder();
  const postgres = await startEmbeddedPostgres({
    folder: path.join(folder.path, "postgres"),
    settings: { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_connections: "200" },
  });
  project.provide("postgresUrl", postgres.url);
  return async () => {
    await postgres.stop();
    await folder.remove();
  };
}
