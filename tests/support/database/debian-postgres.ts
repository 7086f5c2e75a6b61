import { access } from "node:fs/promises";
import path from "node:path";
import { startEmbeddedPostgres } from "../../../local/postgres/embedded-postgres.ts";
import { createTestFolder } from "../processes/test-folder.ts";

const installation = "/usr/lib/postgresql/15";

/** True when Debian's PostgreSQL 15 is here with an extension that does not come from npm; says so when not. */
export async function hasDebianExtension(name: string, packageName: string): Promise<boolean> {
  const control = `/usr/share/postgresql/15/extension/${name}.control`;
  const isHere = await access(control).then(
    () => true,
    () => false,
  );
  if (!isHere) console.log(`skipped: these tests need ${name} of the Debian package ${packageName}`);
  return isHere;
}

/** Starts it with a fresh data folder. */
export async function startDebianPostgres(settings: Readonly<Record<string, string>> = {}) {
  const folder = await createTestFolder();
  const postgres = await startEmbeddedPostgres({
    folder: path.join(folder.path, "postgres"),
    packageName: `${installation}/bin`,
    settings: { fsync: "off", ...settings },
  });
  return {
    url: postgres.url,
    stop: async () => {
      await postgres.stop();
      await folder.remove();
    },
  };
}
