import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { z } from "zod";
import { findFreePort } from "../../../local/postgres/embedded-postgres.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const lockSchema = z.object({
  packages: z.record(z.string(), z.looseObject({ name: z.string().optional(), version: z.string().optional() })),
});

export type InstalledRegistry = {
  /** Has npm take everything from here, and keep its cache in the given folder. */
  env: Record<string, string>;
  stop: () => Promise<void>;
};

/**
 * A registry on loopback that has what `npm ci` brought, and nothing else. npm resolves and installs from it as from
 * npmjs.org, so a test that installs needs no internet, and still misses what a package.json does not name.
 */
export async function startInstalledRegistry(cache: string): Promise<InstalledRegistry> {
  const packages = await readLockedPackages();
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const app = new Hono()
    .get("/-/tarball/:location", (context) => context.body(packFolder(context.req.param("location"))))
    .get("/:name", (context) => {
      const name = context.req.param("name");
      const versions = packages.filter((one) => one.name === name);
      return versions.length === 0 ? context.json({ error: "not_found" }, 404) : context.json(describe(name, versions));
    });
  const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }) as Server;
  await once(server, "listening");

  function describe(name: string, versions: typeof packages) {
    const described = versions.map(({ location, version, about }) => {
      const dist = { tarball: `${url}/-/tarball/${encodeURIComponent(location)}` };
      return [version, { ...about, name, version, dist }] as const;
    });
    const latest = versions.find(({ location }) => location === `node_modules/${name}`) ?? versions[0];
    return { name, "dist-tags": { latest: latest?.version }, versions: Object.fromEntries(described) };
  }

  return {
    env: {
      npm_config_registry: url,
      npm_config_cache: cache,
      npm_config_userconfig: path.join(cache, "no-npmrc"), // it could name a registry for a scope
      npm_config_audit: "false",
      npm_config_update_notifier: "false",
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Every package of the lock file, also those of other platforms: npm reads about them, and leaves them out. */
async function readLockedPackages() {
  const lock = lockSchema.parse(JSON.parse(await readFile(path.join(root, "package-lock.json"), "utf8")));
  return Object.entries(lock.packages).flatMap(([location, { name, version, ...about }]) => {
    const ownName = name ?? location.split("node_modules/").at(-1);
    return location === "" || ownName === undefined || version === undefined
      ? []
      : [{ location, name: ownName, version, about }];
  });
}

/** A package as it lies in node_modules, without the packages that npm has put inside it. */
function packFolder(location: string): ReadableStream {
  const folder = path.join(root, location);
  const args = ["-cf", "-", `--exclude=${path.basename(folder)}/node_modules`, "-C", path.dirname(folder)];
  const tar = spawn("tar", [...args, path.basename(folder)], { stdio: ["ignore", "pipe", "inherit"] });
  return Readable.toWeb(tar.stdout) as ReadableStream;
}
