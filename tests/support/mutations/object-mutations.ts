import type { Mutation } from "./mutations.ts";

const objectsSql = "supabase/schemas/01_objects.sql";
const file = (name: string) => `tests/integration/${name}.test.ts`;
const test = file("database/objects");

/** What health and the migration do about objects that other tools drop or change. */
export const objectRules: readonly Mutation[] = [
  {
    test,
    title: "a run of the migration restores > each constraint that was dropped",
    edits: [{ file: objectsSql, find: "  perform clerk_sync.restore_objects();\n", replace: "" }],
  },
  {
    test,
    title: "a run of the migration restores > each column that was dropped",
    edits: [
      {
        file: objectsSql,
        within: "clerk_sync.restore_objects",
        find: "2, d.kind = 'column' and d.state = 'missing'",
        replace: "2, false and d.state = 'missing'",
      },
    ],
  },
  {
    test,
    title: "a run of the migration restores > after: drop function public.clerk_sync_schema_version",
    edits: [
      {
        file: "supabase/schemas/00_schema.sql",
        find: " and not (v_version is null and to_regclass('clerk_sync.objects') is not null)",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "what an owner adds is no finding when it was there when the migration ran, and goes",
    edits: [{ file: objectsSql, find: "    perform clerk_sync.note_others();\n", replace: "    null;\n" }],
  },
  {
    test,
    title: "what an owner adds is no finding when it comes",
    edits: [
      {
        file: objectsSql,
        find: "            and split_part(p.name, ' ', 1) <> 'service_role'\n            and p.relation in",
        replace: "            or p.relation in",
      },
    ],
  },
  {
    test,
    title: "another release of PostgreSQL may word definitions differently: then only what is missing counts",
    edits: [
      {
        file: objectsSql,
        find: "            and (select r.present = r.noted from pairs as r where r.kind = 'release')\n",
        replace: "",
      },
    ],
  },
  {
    test,
    title: "where access is left to the owner, row level security and policies are no finding",
    edits: [{ file: objectsSql, find: "filter (where m.editable is not null)", replace: "filter (where true)" }],
  },
  {
    test: file("health/health"),
    title: "what another tool did > a dropped queue compromises, and each object is named in the facts",
    edits: [
      {
        file: "supabase/schemas/17_health.sql",
        find: "      if v_objects = '[]' and v_problems = '[]' then\n        raise;\n      end if;\n",
        replace: "      raise;\n",
      },
    ],
  },
  {
    test: file("database/migrate-command"),
    title:
      "where another tool dropped objects > --repair puts each back, says which, what is lost, and what to do; rows stay; a second time there is nothing",
    edits: [
      {
        file: "server/migrate-database.ts",
        find: "  if (isRepair && !options.dryRun) await restoreFirst(client);\n",
        replace: "",
      },
    ],
  },
];
