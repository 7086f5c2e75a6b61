import type pg from "pg";
import type { TableProblem } from "../../../mapping/check-table.ts";
import type { Configuration } from "../../../mapping/configuration.ts";
import { expandLine } from "./configure-users.ts";

type Users = Pick<Configuration, "users">;

const change = /^-- In clerk-sync\.config\.json: (.*)$/;

/** Does what each remedy says: runs its statements one by one, and writes its lines into the configuration. */
export async function applyRemedies(
  client: pg.ClientBase,
  file: Users,
  problems: readonly TableProblem[],
): Promise<Users> {
  let changed = file;
  for (const { remedy } of problems) {
    await client.query(remedy);
    for (const line of remedy.split("\n")) {
      const [, wanted] = change.exec(line) ?? [];
      if (wanted !== undefined) changed = applyChange(changed, wanted);
    }
  }
  return changed;
}

function applyChange({ users }: Users, wanted: string): Users {
  if (wanted === 'remove "link_by"') return { users: { ...users, linkBy: null } };
  const [, without] = /^remove the default of (".*")$/.exec(wanted) ?? [];
  if (without !== undefined) {
    const name: unknown = JSON.parse(without);
    const columns = users.columns.map((column) => (column.name === name ? { ...column, default: undefined } : column));
    return { users: { ...users, columns } };
  }
  const [, removed] = /^remove (".*") from "columns"$/.exec(wanted) ?? [];
  if (removed !== undefined) {
    const name: unknown = JSON.parse(removed);
    return { users: { ...users, columns: users.columns.filter((column) => column.name !== name) } };
  }
  const [[name, value] = []] = Object.entries(JSON.parse(`{${wanted}}`) as Record<string, never>);
  if (name === undefined) throw new Error(`no setting: ${wanted}`);
  if (name === "key") return { users: { ...users, key: value as unknown as string } };
  if (name === "delete") return { users: { ...users, softDelete: (value as unknown as { soft: string }).soft } };
  const line = expandLine(name, value as never);
  // a line of a name that is new stands for the one with the same source
  const isKnown = users.columns.some((column) => column.name === name);
  const rest = users.columns.filter((column) => (isKnown ? column.name !== name : column.source !== line.source));
  return { users: { ...users, columns: [...rest, line] } };
}
