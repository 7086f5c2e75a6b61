import { z } from "zod";

const rootSchema = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  license: z.string(),
  dependencies: z.record(z.string(), z.string()),
  optionalDependencies: z.record(z.string(), z.string()),
});

const keywords = ["clerk", "supabase", "sync", "webhook", "svix", "users", "postgres", "queue", "edge-functions"];

/**
 * The package.json of the npm package, from that of the repository. Node 22.12 is the oldest that its dependencies
 * take (commander; postgrest-js wants 22); it needs no Node that runs TypeScript.
 */
export function describePackage(root: unknown): Record<string, unknown> {
  const { dependencies, optionalDependencies, ...about } = rootSchema.parse(root);
  return {
    ...about,
    keywords,
    type: "module",
    engines: { node: ">=22.12" },
    bin: { "clerk-sync": "cli/clerk-sync.js" },
    exports: {
      ".": { types: "./core/index.d.ts", default: "./core/index.js" },
      "./server": { types: "./server/start-server.d.ts", default: "./server/start-server.js" },
      "./wait-for-user": {
        types: "./core/ensure-user/wait-for-user.d.ts",
        default: "./core/ensure-user/wait-for-user.js",
      },
      "./package.json": "./package.json",
    },
    imports: { "#core/*.ts": { types: "./core/*.d.ts", default: "./core/*.js" }, "#core/*.json": "./core/*.json" },
    files: [
      "admin",
      "cli",
      "core",
      "local",
      "mapping",
      "server",
      "supabase",
      "templates",
      "docs",
      "ops",
      "CHANGELOG.md",
      "config.schema.json",
    ],
    dependencies,
    optionalDependencies,
  };
}
