import type { ComparedLine, MappedColumn, User, UserPage, UserRecord } from "#core/admin/contract/users.ts";
import { formatJobs } from "./format-jobs.ts";

/** One user: the verdict first, then the three places side by side, then the newest jobs. */
export function formatUser(user: User): string[] {
  const { verdict, clerk_id, jobs } = user;
  return [
    `${verdict.in_step ? "✓" : "✗"} ${clerk_id}: ${verdict.title}`,
    `    ${verdict.what}`,
    `    ${verdict.remedy}`,
    ...(verdict.job_id === null ? [] : [`    clerk-sync jobs show ${verdict.job_id}`]),
    "",
    ...formatPlaces(user),
    ...(user.ignored_note === null ? [] : [`  ignored: ${user.ignored_note}`]),
    ...(user.unlinked_note === null ? [] : [`  not linked: ${user.unlinked_note}`]),
    "",
    ...(jobs.length === 0 ? ["No job of this user is kept."] : formatJobs(jobs.slice(0, 10))),
  ];
}

function formatPlaces({ clerk, users, auth, table, comparison }: User): string[] {
  const places = [
    { name: "Clerk", place: clerk },
    { name: table, place: users },
    { name: "Auth", place: auth },
  ];
  const rows = [
    ["", ...places.map(({ name }) => name), ""],
    ["is there", ...places.map(({ place }) => place.state), ""],
    ...comparison.map((line) => [
      nameColumn(line),
      showValue(line.clerk),
      showValue(line.users),
      showValue(line.auth),
      line.differs ? "differs" : "",
    ]),
  ];
  const reasons = places.filter(({ place }) => place.reason !== null);
  return [...align(rows), ...reasons.map(({ name, place }) => `  ${name}: ${place.reason}`)];
}

/** A column with what of Clerk goes there, unless both have one name. */
function nameColumn({ name, source }: Pick<ComparedLine, "name" | "source">): string {
  return source === null || source === name ? name : `${name} (${source})`;
}

function showValue(value: unknown): string {
  if (value === undefined) return "-";
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value ?? "none");
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}

/** Times and ids, which tell no user from another at a glance. */
const unlisted: ReadonlySet<string> = new Set(["id", "uuid", "now", "created_at", "updated_at", "last_sign_in_at"]);

const listed = (columns: readonly MappedColumn[]) => columns.filter(({ source }) => !unlisted.has(source));

/** Lines of a list of users. */
export function formatUsers(users: readonly UserRecord[]): string[] {
  if (users.length === 0)
    return [
      "Nobody is found. A search takes a Clerk id or its beginning, a whole email, or the whole text of a mapped column that has an index; --deleted lists the deleted.",
    ];
  const marks = ({ row, state, open_jobs, dead_jobs }: UserRecord) =>
    [
      ...(state?.deleted_at || row?.deleted_at ? ["deleted"] : row === null ? ["no row"] : []),
      ...(state?.unlinked_row ? [`row ${state.unlinked_row} not linked`] : []),
      ...(open_jobs === 0 ? [] : [`${open_jobs} open`]),
      ...(dead_jobs === 0 ? [] : [`${dead_jobs} dead`]),
    ].join(", ");
  return align([
    ["", ...listed(users[0]?.columns ?? []).map(nameColumn), ""],
    ...users.map((user) => [
      user.clerk_id,
      ...listed(user.columns).map(({ value }) => (value === null ? "-" : showValue(value))),
      marks(user),
    ]),
  ]);
}

/** What a search left out, with the statement that lets the next one find by the first column. */
export function formatSearch({ note, not_searched: [first, ...others] }: NonNullable<UserPage["search"]>): string[] {
  if (note === null) return [];
  if (first === undefined) return [note];
  return [`${note}${others.length === 0 ? "" : ` For ${first.name}:`} ${first.remedy}`];
}
