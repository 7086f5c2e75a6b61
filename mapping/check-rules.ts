import { type Problem, problemAt } from "./configuration-problem.ts";
import { defaultTables } from "./default-tables.ts";
import { isObject } from "./is-object.ts";
import { type Kind, kinds } from "./source-words.ts";
import { formatTableName, parseTableName } from "./table-name.ts";

type Path = Problem["path"];
type Values = Readonly<Record<string, unknown>>;

/**
 * The rules that compare one setting with another. It takes the file as it is read, so that one wrong setting does not
 * hide what is wrong elsewhere: what is of the wrong kind is passed over here, since checkSchema names it.
 */
export function checkRules(file: unknown): Problem[] {
  if (!isObject(file)) return [];
  return [
    ...kinds.flatMap((kind) => checkKind(kind, file[kind])),
    ...checkUsers(file["users"]),
    ...checkTables(file),
    ...checkMemberships(file),
    ...checkHooks(file),
  ];
}

/** What holds for the table of every kind. */
function checkKind(kind: Kind, section: unknown): Problem[] {
  if (!isObject(section)) return [];
  const plain = kind === "users" ? null : defaultTables[kind];
  const key = section["key"] ?? plain?.key;
  const columns = isObject(section["columns"]) ? section["columns"] : {};
  const mapped = isObject(section["columns"]) ? Object.keys(columns) : Object.keys(plain?.columns ?? {});
  const problems = Object.entries(columns).flatMap(([name, column]) => checkColumn([kind, "columns", name], column));
  if (typeof key === "string" && Object.hasOwn(columns, key)) {
    const advice =
      "this is the key, which always holds Clerk's id: remove it from columns, or name another column as the key";
    problems.push({ path: [kind, "columns", key], found: null, advice });
  }
  const soft = isObject(section["delete"]) ? section["delete"]["soft"] : undefined;
  if (typeof soft === "string") {
    const path = [kind, "delete", "soft"];
    if (soft === key) problems.push(problemAt(path, soft, "this is the key: name a column for the time of deletion"));
    if (mapped.includes(soft)) {
      const advice = "a deletion marks this column, so it cannot be mapped too: remove it from columns";
      problems.push(problemAt(path, soft, advice));
    }
  }
  return problems;
}

/** Rules within one line of columns. */
function checkColumn(path: Path, column: unknown): Problem[] {
  if (!isObject(column)) return [];
  const { from } = column;
  return [
    ...checkUnsafe(path, column),
    ...checkAllowed(path, column),
    ...checkPlaceholder(path, column["default"]),
    ...(from === "now" || from === "uuid" ? checkMade(path, from, column) : []),
    ...checkAs(path, column),
    ...(from === "permissions" ? checkList(path, column) : []),
  ];
}

/** A list has no text that could stand for it. */
function checkList(path: Path, column: Values): Problem[] {
  return ["default", "allowed"]
    .filter((setting) => column[setting] !== undefined)
    .map((setting) => problemAt([...path, setting], column[setting], `permissions are a list: remove ${setting}`));
}

function checkUnsafe(path: Path, { from, allow_unsafe: isAllowed }: Values): Problem[] {
  const isUnsafe = typeof from === "string" && from.startsWith("unsafe_metadata.");
  if (isUnsafe && isAllowed !== true) {
    const advice = 'every user can write unsafe_metadata. To take it all the same, add "allow_unsafe": true';
    return [problemAt([...path, "from"], from, advice)];
  }
  if (isUnsafe || isAllowed === undefined || typeof from !== "string") return [];
  return [problemAt([...path, "allow_unsafe"], isAllowed, "this is for unsafe_metadata only: remove it")];
}

/** Sources whose value is no text. */
const untexted = ["email_verified", "phone_verified", "has_image", "banned", "locked", "deprovisioned"];

function checkAllowed(path: Path, column: Values): Problem[] {
  const { allowed, from } = column;
  if (!Array.isArray(allowed)) return [];
  const problems: Problem[] = [];
  for (const [index, value] of allowed.entries()) {
    if (allowed.indexOf(value) === index) continue;
    problems.push(problemAt([...path, "allowed", index], value, "this value is in the list twice: remove one"));
  }
  const fallback = column["default"];
  if (["string", "number", "boolean"].includes(typeof fallback) && !allowed.includes(String(fallback))) {
    const advice = `this is none of the allowed values: add it to allowed, or choose ${quoteAll(allowed)}`;
    problems.push(problemAt([...path, "default"], fallback, advice));
  }
  if (typeof from === "string" && untexted.includes(from)) {
    const advice = `${from} is true or false: remove allowed`;
    problems.push(problemAt([...path, "allowed"], allowed, advice));
  }
  return problems;
}

function quoteAll(values: readonly unknown[]): string {
  return values.map((value) => `\`${String(value)}\``).join(" or ");
}

/** A placeholder that looks like {id} and is none would be written as it stands. */
function checkPlaceholder(path: Path, fallback: unknown): Problem[] {
  if (typeof fallback !== "string") return [];
  const [wrong] = /\{\s*(?:id|clerk_?id|user_?id)\s*\}/i.exec(fallback.replaceAll("{id}", "")) ?? [];
  if (wrong === undefined) return [];
  const advice = `did you mean \`${fallback.replaceAll(wrong, "{id}")}\`? Only {id} stands for Clerk's id`;
  return [problemAt([...path, "default"], fallback, advice)];
}

/** The sync makes these values itself: nothing can be missing, refused, or kept. */
function checkMade(path: Path, from: "now" | "uuid", column: Values): Problem[] {
  const about = {
    now: "now is written with each write of the row",
    uuid: "uuid is written once, with a new row",
  }[from];
  const hint = from === "now" ? ". For the time of creation map created_at" : "";
  return ["write", "default", "allowed"]
    .filter((setting) => column[setting] !== undefined)
    .map((setting) => problemAt([...path, setting], column[setting], `${about}: remove ${setting}${hint}`));
}

function checkAs(path: Path, { from, as }: Values): Problem[] {
  if (as === undefined || typeof from !== "string" || from === "user" || from === "organization") return [];
  return [problemAt([...path, "as"], as, "this is for the sources user and organization only: remove it")];
}

/** Rules that only users have. */
function checkUsers(users: unknown): Problem[] {
  if (!isObject(users)) return [];
  const columns = isObject(users["columns"]) ? users["columns"] : {};
  const [email, ...moreEmails] = Object.keys(columns).filter((name) => sourceOf(columns[name]) === "email");
  const problems: Problem[] = moreEmails.map((name) => ({
    path: ["users", "columns", name],
    found: "`email`",
    advice: `the column ${email} has the email already, and only one can: map something else, or remove it`,
  }));
  if (users["link_by"] === "email" && isObject(users["columns"]) && email === undefined) {
    const advice = "no column has the source `email`: add one to columns, or remove link_by";
    problems.push(problemAt(["users", "link_by"], users["link_by"], advice));
  }
  return [...problems, ...checkEditable(users, columns)];
}

function checkEditable(users: Values, columns: Values): Problem[] {
  const ownRow = isObject(users["access"]) ? users["access"]["own_row"] : undefined;
  const editable = isObject(ownRow) ? ownRow["editable"] : undefined;
  if (!Array.isArray(editable)) return [];
  return editable.flatMap((name: unknown, index) => {
    const path = ["users", "access", "own_row", "editable", index];
    if (typeof name !== "string") return [];
    if (editable.indexOf(name) < index) return [problemAt(path, name, "this column is in the list twice: remove one")];
    const source = sourceOf(columns[name]);
    if (name === users["key"] || source === "id" || source === "uuid") {
      const advice = "this column says whose row it is, so a user must not change it: remove it from editable";
      return [problemAt(path, name, advice)];
    }
    return [];
  });
}

function sourceOf(column: unknown): unknown {
  return isObject(column) ? column["from"] : column;
}

/** Each kind has a table of its own, and none of the sync's. */
function checkTables(file: Values): Problem[] {
  const owners = new Map<string, Kind>();
  return kinds.flatMap((kind) => {
    const section = file[kind];
    if (section !== true && !isObject(section) && kind !== "users") return [];
    const written = isObject(section) ? section["table"] : undefined;
    const table = parseTableName(typeof written === "string" ? written : defaultTables[kind].table);
    if ("advice" in table) return [];
    const name = formatTableName(table);
    const owner = owners.get(name);
    owners.set(name, owner ?? kind);
    const path = typeof written === "string" ? [kind, "table"] : [kind];
    if (owner !== undefined) {
      return [problemAt(path, name, `${owner} have this table already: each kind needs a table of its own`)];
    }
    const reason = reasonAgainst(table);
    return reason === null ? [] : [problemAt(path, name, reason)];
  });
}

function reasonAgainst({ schema, name }: { schema: string; name: string }): string | null {
  if (schema === "auth") return "this schema belongs to Supabase Auth: name a table of your app";
  if (schema === "clerk_sync" || (schema === "public" && name === "job_queue")) {
    return "this table belongs to the sync: name a table of your app";
  }
  if (schema === "information_schema" || schema.startsWith("pg_")) {
    return "this schema belongs to PostgreSQL: name a table of your app";
  }
  return null;
}

function checkMemberships({ memberships, organizations }: Values): Problem[] {
  if (memberships === undefined || memberships === false) return [];
  if (organizations !== undefined && organizations !== false) return [];
  const advice = 'memberships need organizations: add "organizations": true, or remove memberships';
  return [problemAt(["memberships"], memberships, advice)];
}

function checkHooks(file: Values): Problem[] {
  const hooks = Array.isArray(file["hooks"]) ? file["hooks"].map((hook) => (isObject(hook) ? hook : {})) : [];
  const names = hooks.map((hook) => hook["name"]);
  return hooks.flatMap((hook, index) => {
    const isRepeated = typeof hook["name"] === "string" && names.indexOf(hook["name"]) < index;
    const advice = "another hook has this name: give each its own";
    return [
      ...(isRepeated ? [problemAt(["hooks", index, "name"], hook["name"], advice)] : []),
      ...checkTarget(["hooks", index], hook),
      ...checkTopics(["hooks", index, "on"], hook["on"], file),
    ];
  });
}

const targets = ["url", "function", "queue"];

/** A hook has one target, and the settings of that target only. */
function checkTarget(path: Path, hook: Values): Problem[] {
  const given = targets.filter((target) => hook[target] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? null : given.join(" and ");
    return [{ path, found, advice: "write one of url, function and queue" }];
  }
  const problems: Problem[] = [];
  if (given[0] === "url" && hook["secret"] === undefined) {
    problems.push({ path, found: null, advice: 'a url needs a secret, like "secret": "env(HOOK_SECRET)"' });
  }
  if (given[0] !== "url" && hook["secret"] !== undefined) {
    problems.push(problemAt([...path, "secret"], hook["secret"], "only requests to a url are signed: remove it"));
  }
  if (given[0] !== "function" && hook["on_error"] !== undefined) {
    problems.push(problemAt([...path, "on_error"], hook["on_error"], "this is for a function only: remove it"));
  }
  return problems;
}

/** A hook for a kind that is off would never be called. */
function checkTopics(path: Path, on: unknown, file: Values): Problem[] {
  if (!Array.isArray(on)) return [];
  return on.flatMap((topic: unknown, index) => {
    const kind = kinds.find((each) => typeof topic === "string" && `${topic.split(".")[0]}s` === each);
    if (kind === undefined || kind === "users" || (file[kind] !== undefined && file[kind] !== false)) return [];
    return [problemAt([...path, index], topic, `${kind} are off: add "${kind}": true, or remove the topic`)];
  });
}
