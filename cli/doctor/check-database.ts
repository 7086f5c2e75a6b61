import { z } from "zod";
import { type ObjectFinding, objectFindingSchema, repairRemedy } from "#core/database/object-findings.ts";
import { schemaVersion } from "#core/database/schema-version.ts";
import { simulatedInstanceId } from "../../local/simulate/build-event.ts";
import { alertStateSchema, explainAlerts } from "./check-alerts.ts";
import { contentSchema, explainContent } from "./check-content.ts";
import { explainSchedule, scheduleSchema } from "./check-schedule.ts";
import { explainSkipped, skippedKindsSchema } from "./check-skipped.ts";
import type { Finding } from "./finding.ts";
import { type Database, migrateCommand } from "./reach-database.ts";

const brakeSchema = z.object({ engaged_at: z.string().nullable(), reason: z.string().nullable(), waiting: z.number() });
const problemsSchema = z.array(z.object({ table: z.string(), problem: z.string(), remedy: z.string() }));
const privilegesSchema = z.array(z.object({ object: z.string(), what: z.string() }));
const referencesSchema = z.array(z.object({ table: z.string(), constraint: z.string() }));
const unlinkedSchema = z.array(
  z.object({ clerk_id: z.string(), table: z.string(), row: z.string().nullable(), unlinked_row: z.string() }),
);
const programsSchema = z.array(z.string());
const instancesSchema = z.array(z.object({ instance_id: z.string(), jobs: z.number() }));

/** Asks the database for schema, table of users, mapping, rights, schedule, delete brake, dead letters, instances, skipped kinds and alerts. */
export async function checkDatabase(database: Database): Promise<Finding[]> {
  const version = await checkVersion(database);
  if (version.state === "failed") return [version];
  return [version, ...(await Promise.all(questions.map((question) => question(database)))).flat()];
}

type Question = (database: Database) => Promise<Finding[]>;

/** A function without arguments, or with these, and what its value says. */
function ask<Value>(
  name: string,
  schema: z.ZodType<Value>,
  explain: (value: Value, database: Database) => Finding | Finding[],
  args: Readonly<Record<string, unknown>> = {},
): Question {
  return async (database) => {
    const answer = await database.ask({ name, args, schema });
    return [
      "value" in answer
        ? explain(answer.value, database)
        : ({ check: "database", state: "failed", ...answer } as const),
    ].flat();
  };
}

const questions: readonly Question[] = [
  ask("clerk_sync_object_findings", z.array(objectFindingSchema), explainObjects),
  ask("clerk_sync_table_problems", problemsSchema, explainTables),
  ask("clerk_sync_differing_programs", programsSchema, explainPrograms),
  ask("clerk_sync_blocking_references", referencesSchema, explainReferences),
  ask("clerk_sync_unlinked_rows", unlinkedSchema, explainUnlinked),
  ask("clerk_sync_table_content", contentSchema, explainContent),
  ask("clerk_sync_privilege_findings", privilegesSchema, explainPrivileges),
  ask("clerk_sync_schedule_state", scheduleSchema, (state, { isHosted }) => explainSchedule(state, isHosted)),
  ask("clerk_sync_delete_brake", brakeSchema, explainBrake),
  ask("clerk_sync_count_jobs", z.number(), explainDead, { p_filter: { status: "DEAD" } }),
  ask("clerk_sync_held_addresses", z.number(), explainHeld),
  ask("clerk_sync_instances", instancesSchema, explainInstances),
  ask("clerk_sync_skipped_kinds", skippedKindsSchema, explainSkipped),
  ask("clerk_sync_alert_state", alertStateSchema, explainAlerts),
];

/** Of two versions the one that sorts last is the newer (schema-version.ts). */
async function checkVersion(database: Database): Promise<Finding> {
  const check = "database";
  const answer = await database.ask({ name: "clerk_sync_schema_version", args: {}, schema: z.string() });
  if (!("value" in answer)) return { check, state: "failed", ...answer };
  if (answer.value === schemaVersion) return { check, state: "ok", what: "reached; the migrations are applied" };
  const what = `the schema is ${answer.value}, this clerk-sync is written for ${schemaVersion}`;
  const isOlder = answer.value < schemaVersion;
  const remedy = isOlder
    ? `Apply the migrations. Run: ${migrateCommand(database)}`
    : "Upgrade clerk-sync: the database is newer.";
  return { check, state: "failed", what, remedy };
}

/** drizzle-kit push, for instance, drops what it does not know. */
function explainObjects(findings: readonly ObjectFinding[]): Finding[] {
  const check = "objects";
  if (findings.length === 0) return [{ check, state: "ok", what: "all are as the migration left them" }];
  return findings.map(({ object, state, status }) => ({
    check,
    state: status === "compromised" ? "failed" : "warning",
    what: `${object} is ${state}`,
    remedy: repairRemedy,
  }));
}

/** Somebody else's migration may change the table after ours looked at it. */
function explainTables(problems: z.infer<typeof problemsSchema>): Finding[] {
  const check = "tables";
  if (problems.length === 0) return [{ check, state: "ok", what: "take what the sync writes" }];
  return problems.map(({ table, problem, remedy }) => ({
    check,
    state: "failed",
    what: `${table}: ${problem}`,
    remedy,
  }));
}

/** Functions are deployed one by one, and a server runs on while the database is migrated. */
function explainPrograms(programs: z.infer<typeof programsSchema>, { isSupabase }: Database): Finding {
  const check = "mapping";
  if (programs.length === 0)
    return { check, state: "ok", what: "the database and what was seen of its programs agree" };
  const what = `the database was migrated with another mapping than these run with: ${programs.join(", ")}`;
  const remedy = isSupabase
    ? "Deploy the functions, and restart each server. Run: npx clerk-sync generate, then npx supabase db push --remote, then npx supabase functions deploy. A program that was deployed is named until it was called, and for two minutes after that."
    : "Run: npx clerk-sync migrate, then restart each server. A server that was restarted is named for two minutes after that.";
  return { check, state: "warning", what, remedy };
}

/** A deletion at Clerk is then refused here, and the job becomes a dead letter. */
function explainReferences(references: z.infer<typeof referencesSchema>): Finding[] {
  const check = "foreign keys";
  if (references.length === 0) return [{ check, state: "ok", what: "none stops the deletion of a user" }];
  const remedy =
    'Give it on delete cascade or on delete set null. With soft deletion ("delete" in clerk-sync.config.json) no row is deleted, and nothing is wrong.';
  return references.map(({ table, constraint }) => ({
    check,
    state: "warning",
    what: `${constraint} of ${table} stops the deletion of a user who has rows there`,
    remedy,
  }));
}

/** The user has two rows: the sync never chooses one that others may reference. */
function explainUnlinked(rows: z.infer<typeof unlinkedSchema>): Finding[] {
  const check = "linked rows";
  return rows.map(({ clerk_id, table, row, unlinked_row }) => ({
    check,
    state: "warning",
    what: `${clerk_id} has ${row === null ? "no row" : `row ${row}`} of ${table}, and row ${unlinked_row} has the user's address and no Clerk id`,
    remedy: `clerk-sync users link ${clerk_id} --row ${unlinked_row} shows what belongs to each row, and links row ${unlinked_row}.`,
  }));
}

function explainPrivileges(wrong: z.infer<typeof privilegesSchema>): Finding[] {
  const check = "privileges";
  if (wrong.length === 0) return [{ check, state: "ok", what: "closed to the API roles but for the own row" }];
  const remedy =
    "Run the migrations again: they revoke and grant anew. If it comes back, a migration of yours grants it.";
  return wrong.map(({ object, what }) => ({ check, state: "failed", what: `${object}: ${what}`, remedy }));
}

function explainBrake({ engaged_at, reason, waiting }: z.infer<typeof brakeSchema>): Finding {
  const check = "delete brake";
  if (engaged_at === null) return { check, state: "ok", what: "off" };
  const remedy =
    "Apply them if they are meant, cancel them if not: admin page, Overview, Delete brake. In SQL: select clerk_sync_release_delete_brake('apply') or ('cancel').";
  const deletions = waiting === 1 ? "1 deletion waits" : `${waiting} deletions wait`;
  return { check, state: "warning", what: `${deletions} since ${engaged_at}: ${reason}`, remedy };
}

function explainDead(count: number): Finding {
  const check = "dead letters";
  if (count === 0) return { check, state: "ok", what: "none" };
  const remedy =
    "Correct what each error names, then retry all of it: admin page, Dead letters; or clerk-sync jobs list --status dead, then clerk-sync jobs retry --all --status dead.";
  const what = count === 1 ? "1 job gave up and waits for a person" : `${count} jobs gave up and wait for a person`;
  return { check, state: "warning", what, remedy };
}

/** A finding: the sync works, and a person decides. */
function explainHeld(count: number): Finding[] {
  const check = "supabase auth";
  if (count === 0) return [];
  const what = `auth_address_held: ${countOf(count)} a placeholder there, because another Auth user holds the address or number`;
  const remedy =
    "clerk-sync reconcile names them. Delete or change the holder in Supabase's dashboard, or set AUTH_ADOPT=on before users are mirrored: docs/supabase-auth.md.";
  return [{ check, state: "warning", what, remedy }];
}

function countOf(count: number): string {
  return count === 1 ? "1 user has" : `${count} users have`;
}

/** Development users cannot be moved to production (Clerk docs, "Migrating"): both in one table is an accident. */
function explainInstances(instances: z.infer<typeof instancesSchema>): Finding {
  const check = "instances";
  if (instances.length <= 1) return { check, state: "ok", what: "all events are of one Clerk instance" };
  const names = instances.map(
    ({ instance_id, jobs }) =>
      `${instance_id === simulatedInstanceId ? "clerk-sync simulate" : instance_id} (${jobs} ${jobs === 1 ? "job" : "jobs"})`,
  );
  const remedy =
    "Give each instance a database of its own: take the endpoint that points here out of the others' dashboard.";
  return { check, state: "warning", what: `the last jobs came from ${names.join(", ")}`, remedy };
}
