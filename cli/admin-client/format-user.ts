import { comparedFields, type Place, type User, type UserRecord } from "#core/admin/contract/users.ts";
import { formatJobs } from "./format-jobs.ts";

const placeNames = { clerk: "Clerk", users: "users", auth: "Auth" } as const;

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
    "",
    ...(jobs.length === 0 ? ["No job of this user is kept."] : formatJobs(jobs.slice(0, 10))),
  ];
}

function formatPlaces(user: User): string[] {
  const places = (Object.keys(placeNames) as (keyof typeof placeNames)[]).map((key) => ({
    name: placeNames[key],
    place: user[key],
  }));
  const rows = [
    ["", ...places.map(({ name }) => name), ""],
    ["is there", ...places.map(({ place }) => place.state), ""],
    ...comparedFields.map((field) => [
      field,
      ...places.map(({ place }) => showValue(place, field)),
      user.differences.includes(field) ? "differs" : "",
    ]),
  ];
  const reasons = places.filter(({ place }) => place.reason !== null);
  return [...align(rows), ...reasons.map(({ name, place }) => `  ${name}: ${place.reason}`)];
}

function showValue({ state, values }: Place, field: (typeof comparedFields)[number]): string {
  const value = values[field];
  return state !== "present" || value === undefined ? "-" : String(value ?? "none");
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
}

const noRow = { email: null, name: null, role: null };

/** Lines of a list of users. */
export function formatUsers(users: readonly UserRecord[]): string[] {
  if (users.length === 0)
    return [
      "Nobody is found. A search takes a Clerk id or its beginning, or a whole email; --deleted lists the deleted.",
    ];
  const marks = ({ row, state, open_jobs, dead_jobs }: UserRecord) =>
    [
      ...(state?.deleted_at || row?.deleted_at ? ["deleted"] : row === null ? ["no row"] : []),
      ...(open_jobs === 0 ? [] : [`${open_jobs} open`]),
      ...(dead_jobs === 0 ? [] : [`${dead_jobs} dead`]),
    ].join(", ");
  return align(
    users.map((user) => {
      const { email, name, role } = user.row ?? noRow;
      return [user.clerk_id, email ?? "-", name ?? "-", role ?? "-", marks(user)];
    }),
  );
}
