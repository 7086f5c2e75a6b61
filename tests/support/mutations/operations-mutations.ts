import type { Mutation } from "./mutations.ts";

const file = (name: string) => `tests/integration/${name}.test.ts`;

/** What keeps the system's processes, connections and commands as their operator expects them. */
export const operations: readonly Mutation[] = [
  {
    test: file("database/poolers"),
    title:
      "through PgBouncer in pool mode transaction > PostgreSQL cancels a call that takes longer than its limit, and the limit does not outlive the call",
    edits: [
      {
        file: "server/call-function.ts",
        find: "begin; set local statement_timeout",
        replace: "begin; set local deadlock_timeout",
      },
    ],
  },
  {
    test: file("database/poolers"),
    title: "through PgBouncer in pool mode transaction > a server starts, takes events, and the worker writes them",
    edits: [{ file: "server/database.ts", find: "    pipeline: true,\n", replace: "    statement_timeout: 8000,\n" }],
  },
  {
    test: file("database/poolers"),
    title: "migrations through PgBouncer in pool mode transaction > one that has ended leaves no lock behind",
    edits: [{ file: "server/migrate.ts", find: "pg_try_advisory_xact_lock", replace: "pg_try_advisory_lock" }],
  },
  {
    test: file("server/server-process"),
    title: "the embedded PostgreSQL asks everybody for a password, which is in local.json and nowhere else",
    edits: [
      {
        file: "local/postgres/embedded-postgres.ts",
        find: "127.0.0.1/32 scram-sha-256",
        replace: "127.0.0.1/32 trust",
      },
    ],
  },
  {
    test: "cli/targets.test.ts",
    title: "status > asks --url, whatever the environment names",
    edits: [
      { file: "cli/read-target.ts", find: '(named.name === "--url" || isAdmin)', replace: "named.name === null" },
    ],
  },
  {
    test: "cli/targets.test.ts",
    title: "audit > asks what --env-file names, with its keys, and mixes in none of the environment",
    edits: [
      {
        file: "cli/read-environment-file.ts",
        find: "...Object.fromEntries(others), ",
        replace: "...Object.fromEntries(others), ...environment, ",
      },
    ],
  },
];
