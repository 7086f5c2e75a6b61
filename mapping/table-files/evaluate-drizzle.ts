import type { Place } from "./catalog.ts";
import { type ColumnOptions, drizzleTypes } from "./drizzle-types.ts";
import {
  type DrizzleColumn,
  type DrizzleExtra,
  type DrizzleTable,
  type DrizzleType,
  type DrizzleValue,
  type Scope,
  textOf,
  unknown,
} from "./drizzle-values.ts";
import { childOf, childrenOf, type Module, nameOf, partOf, type Syntax, withoutTypes } from "./parse-module.ts";

/** Finds the module that another one imports; null: it is of a package, or not there. */
export type FindModule = (from: Module, imported: string) => Module | null;

/**
 * Works out what constants of Drizzle schemas hold, as far as that follows from their text: literals, objects, spreads,
 * other constants, imports, functions that only give an expression, and Drizzle's own functions. Nothing is run.
 */
export function createEvaluator(findModule: FindModule) {
  const known = new Map<Module, Map<string, DrizzleValue>>();

  /** What a name at the top of a module holds. */
  function declaredValue(module: Module, name: string): DrizzleValue {
    const values = known.get(module) ?? new Map<string, DrizzleValue>();
    known.set(module, values);
    const before = values.get(name);
    if (before !== undefined) return before;
    const node = module.declared.get(name);
    if (node === undefined) return importedValue(module, name);
    values.set(name, unknown); // while it is worked out, a circle ends here
    const value = evaluate(node, { module, bound: new Map() });
    values.set(name, value);
    return value;
  }

  function importedValue(module: Module, name: string): DrizzleValue {
    const found = module.imports.get(name);
    if (found === undefined) return unknown;
    if (/^drizzle-orm(?:\/|$)/.test(found.from)) {
      return found.name === "authUsers" ? authUsers : { kind: "drizzle", name: found.name };
    }
    const from = findModule(module, found.from);
    if (from === null) return unknown;
    if (found.name === "*") return namespaceOf(from);
    return exportedValue(from, found.name, new Set());
  }

  function exportedValue(module: Module, name: string, seen: Set<Module>): DrizzleValue {
    if (seen.has(module)) return unknown;
    seen.add(module);
    const local = module.exported.get(name);
    if (local !== undefined) return declaredValue(module, local);
    for (const each of module.passedOn) {
      if (each.as !== name && each.name !== "*") continue;
      const from = findModule(module, each.from);
      const value = from && exportedValue(from, each.name === "*" ? name : each.name, seen);
      if (value !== null && value.kind !== "unknown") return value;
    }
    return unknown;
  }

  function namespaceOf(module: Module): DrizzleValue {
    const entries = [...module.exported.keys()].map((name) => {
      const place = { file: module.file, line: 1 };
      return [name, { value: exportedValue(module, name, new Set()), place }] as const;
    });
    return { kind: "object", entries: new Map(entries), unread: [] };
  }

  function evaluate(typed: Syntax, scope: Scope): DrizzleValue {
    const node = withoutTypes(typed);
    switch (node.type) {
      case "Literal":
        return constantOf(node);
      case "Identifier": {
        const name = nameOf(node) ?? "";
        return scope.bound.get(name) ?? declaredValue(scope.module, name);
      }
      case "TemplateLiteral":
        return evaluateTemplate(node, scope);
      case "TaggedTemplateExpression":
        return evaluateSql(node, scope);
      case "UnaryExpression":
        return negate(evaluate(childOf(node, "argument") ?? node, scope), partOf(node, "operator"));
      case "ArrayExpression":
        return { kind: "list", items: childrenOf(node, "elements").flatMap((each) => evaluateItem(each, scope)) };
      case "ObjectExpression":
        return evaluateObject(node, scope);
      case "TSEnumDeclaration":
        return evaluateEnum(node, scope);
      case "ArrowFunctionExpression":
      case "FunctionExpression":
      case "FunctionDeclaration":
        return { kind: "function", node, scope };
      case "MemberExpression":
        return evaluateMember(node, scope);
      case "CallExpression":
        return evaluateCall(node, scope);
      default:
        return unknown;
    }
  }

  function evaluateAt(node: Syntax | null, scope: Scope): DrizzleValue {
    return node === null ? unknown : evaluate(node, scope);
  }

  function evaluateItem(node: Syntax, scope: Scope): readonly DrizzleValue[] {
    if (node.type !== "SpreadElement") return [evaluate(node, scope)];
    const value = evaluateAt(childOf(node, "argument"), scope);
    return value.kind === "list" ? value.items : [unknown];
  }

  function evaluateTemplate(node: Syntax, scope: Scope): DrizzleValue {
    const parts = templateParts(node, scope);
    const texts = parts.map((part) => (typeof part === "string" ? part : constantText(part)));
    return texts.includes(null) ? unknown : { kind: "constant", value: texts.join("") };
  }

  function templateParts(node: Syntax | null, scope: Scope): (string | DrizzleValue)[] {
    const texts = childrenOf(node, "quasis").map((each) => cookedText(each));
    const values = childrenOf(node, "expressions").map((each) => evaluate(each, scope));
    return texts.flatMap((text, index) => (index < values.length ? [text, values[index] ?? unknown] : [text]));
  }

  /** sql`lower(${users.email})` */
  function evaluateSql(node: Syntax, scope: Scope): DrizzleValue {
    const tag = evaluateAt(childOf(node, "tag"), scope);
    if (tag.kind !== "drizzle" || tag.name !== "sql") return unknown;
    return { kind: "sql", parts: templateParts(childOf(node, "quasi"), scope) };
  }

  function evaluateObject(node: Syntax, scope: Scope): DrizzleValue {
    const entries = new Map<string, { value: DrizzleValue; place: Place }>();
    const unread: DrizzleTable["unread"][number][] = [];
    for (const each of childrenOf(node, "properties")) {
      const place = placeOf(scope.module, each);
      if (each.type === "SpreadElement") {
        const value = evaluateAt(childOf(each, "argument"), scope);
        if (value.kind === "object") {
          for (const [key, entry] of value.entries) entries.set(key, entry);
          unread.push(...value.unread);
        } else {
          unread.push({ node: scope.module.textOf(each), reason: "what it spreads is not known from the text", place });
        }
        continue;
      }
      const key = keyOf(each, scope);
      const value = childOf(each, "value");
      if (key === null || value === null) {
        unread.push({ node: scope.module.textOf(each), reason: "its name is not known from the text", place });
      } else {
        entries.set(key, { value: evaluate(value, scope), place });
      }
    }
    return { kind: "object", entries, unread };
  }

  function keyOf(node: Syntax, scope: Scope): string | null {
    const key = childOf(node, "key");
    return partOf(node, "computed") === true ? textOf(evaluateAt(key, scope)) : nameOf(key);
  }

  function evaluateEnum(node: Syntax, scope: Scope): DrizzleValue {
    const members = [...childrenOf(node, "members"), ...childrenOf(childOf(node, "body"), "members")];
    const entries = members.map((each) => {
      const value = evaluateAt(childOf(each, "initializer"), scope);
      return [nameOf(childOf(each, "id")) ?? "", { value, place: placeOf(scope.module, each) }] as const;
    });
    return { kind: "object", entries: new Map(entries), unread: [] };
  }

  function evaluateMember(node: Syntax, scope: Scope): DrizzleValue {
    const object = childOf(node, "object");
    const property = childOf(node, "property");
    const name = partOf(node, "computed") === true ? textOf(evaluateAt(property, scope)) : nameOf(property);
    if (name === null || object === null) return unknown;
    if (object.type === "Identifier" && nameOf(object) === "Object" && !scope.module.declared.has("Object")) {
      return { kind: "method", of: { kind: "constant", value: "Object" }, name };
    }
    return memberOf(evaluate(object, scope), name);
  }

  function memberOf(value: DrizzleValue, name: string): DrizzleValue {
    if (value.kind === "object") return value.entries.get(name)?.value ?? unknown;
    // `import * as pg`, and the parameter of `(t) => ({ id: t.integer() })`
    if (value.kind === "drizzle" && value.name === "*") return { kind: "drizzle", name };
    if (value.kind === "table" && value.columns.has(name)) return { kind: "column of", table: () => value, key: name };
    if (value.kind === "table itself") return { kind: "column of", table: value.table, key: name };
    return { kind: "method", of: value, name };
  }

  function evaluateCall(node: Syntax, scope: Scope): DrizzleValue {
    const callee = childOf(node, "callee");
    if (callee === null) return unknown;
    const place = placeOf(scope.module, node);
    const called = evaluate(callee, scope);
    const given = childrenOf(node, "arguments");
    const values = () => given.flatMap((each) => evaluateItem(each, scope));
    switch (called.kind) {
      case "drizzle":
        return callDrizzle(called.name, values(), place);
      case "enum":
        return createColumn({ kind: "enum", of: called }, textOf(values()[0]), place);
      case "custom type":
        return createColumn({ kind: "sql", sql: called.sql }, textOf(values()[0]), place);
      case "table creator": {
        const [name, ...rest] = values();
        return createTable(null, apply(called.rename, [name ?? unknown]), rest, place);
      }
      case "method":
        return callMethod(called.of, called.name, values(), place);
      case "function":
        return apply(called, values());
      default:
        return unknown;
    }
  }

  /** What a function gives that is no more than an expression. */
  function apply(called: DrizzleValue, values: readonly DrizzleValue[]): DrizzleValue {
    if (called.kind !== "function") return unknown;
    const { node, scope } = called;
    const bound = new Map(scope.bound);
    for (const [index, parameter] of childrenOf(node, "params").entries())
      bind(bound, parameter, values[index] ?? unknown);
    const body = childOf(node, "body");
    if (body?.type !== "BlockStatement") return evaluateAt(body, { ...scope, bound });
    const last = childrenOf(body, "body").at(-1);
    return last?.type === "ReturnStatement" ? evaluateAt(childOf(last, "argument"), { ...scope, bound }) : unknown;
  }

  function bind(bound: Map<string, DrizzleValue>, parameter: Syntax, value: DrizzleValue): void {
    if (parameter.type === "AssignmentPattern") {
      const left = childOf(parameter, "left");
      if (left !== null) bind(bound, left, value);
    }
    if (parameter.type === "Identifier") bound.set(nameOf(parameter) ?? "", value);
    for (const each of childrenOf(parameter, "properties")) {
      const key = nameOf(childOf(each, "key"));
      const inner = childOf(each, "value");
      if (key !== null && inner !== null) bind(bound, inner, memberOf(value, key));
    }
  }

  function callDrizzle(name: string, values: readonly DrizzleValue[], place: Place): DrizzleValue {
    const [first, second] = values;
    if (name === "pgTable") return createTable(null, first ?? unknown, values.slice(1), place);
    if (name === "pgTableCreator") return { kind: "table creator", rename: first ?? unknown };
    if (name === "pgSchema") return { kind: "schema", name: textOf(first) ?? "" };
    if (name === "pgEnum") return createEnum(null, values, place);
    if (name === "customType") return customType(first);
    if (extras.includes(name)) return createExtra(name, values, place);
    const write = drizzleTypes.get(name);
    if (write === undefined) return unknown;
    const options = optionsOf(textOf(first) === null ? first : second);
    return createColumn({ kind: "sql", sql: write(options) }, textOf(first), place);
  }

  /** `customType({ dataType() { return "citext" } })` */
  function customType(value: DrizzleValue | undefined): DrizzleValue {
    const made = value?.kind === "object" ? value.entries.get("dataType")?.value : undefined;
    const sql = made === undefined ? null : textOf(apply(made, []));
    return sql === null ? unknown : { kind: "custom type", sql };
  }

  function createEnum(schema: string | null, [name, list]: readonly DrizzleValue[], place: Place): DrizzleValue {
    const items = list?.kind === "object" ? [...list.entries.values()].map(({ value }) => value) : itemsOf(list);
    const labels = items.map(textOf);
    const known = labels.flatMap((label) => label ?? []);
    if (textOf(name) === null || known.length < labels.length || labels.length === 0) return unknown;
    return { kind: "enum", schema, name: textOf(name) ?? "", labels: known, place };
  }

  function createTable(
    schema: string | null,
    name: DrizzleValue,
    [columns, extra]: readonly DrizzleValue[],
    place: Place,
  ): DrizzleValue {
    const written = textOf(name);
    if (written === null) return unknown;
    const given = columns?.kind === "function" ? apply(columns, [{ kind: "drizzle", name: "*" }]) : columns;
    const unread: DrizzleTable["unread"][number][] = [];
    const made = new Map<string, DrizzleColumn>();
    if (given?.kind !== "object") {
      unread.push({ node: written, reason: "its columns are not known from the text", place });
    } else {
      unread.push(...given.unread);
      for (const [key, entry] of given.entries) {
        if (entry.value.kind === "column") made.set(key, { ...entry.value, place: entry.place });
        else unread.push({ node: key, reason: `the column ${key} is not known from the text`, place: entry.place });
      }
    }
    const table: DrizzleTable = {
      kind: "table",
      schema,
      name: written,
      columns: made,
      extras: [],
      hasRowLevelSecurity: false,
      isMade: true,
      unread,
      place,
    };
    const read = extrasOf(extra, table);
    if (read.some(({ kind }) => kind === "unknown")) {
      unread.push({ node: written, reason: "a key or an index of it is not known from the text", place });
    }
    const known = read.flatMap((each) => (each.kind === "extra" ? each : []));
    return { ...table, extras: known, hasRowLevelSecurity: known.some(({ of }) => of === "pgPolicy") };
  }

  function extrasOf(extra: DrizzleValue | undefined, table: DrizzleTable): DrizzleValue[] {
    if (extra === undefined) return [];
    const given = apply(extra, [{ kind: "table itself", table: () => table }]);
    if (given.kind === "object") return [...given.entries.values()].map(({ value }) => value);
    return given.kind === "list" ? [...given.items] : [given];
  }

  function callMethod(of: DrizzleValue, name: string, values: readonly DrizzleValue[], place: Place): DrizzleValue {
    const [first] = values;
    if (of.kind === "schema") {
      if (name === "table") return createTable(of.name, first ?? unknown, values.slice(1), place);
      return name === "enum" ? createEnum(of.name, values, place) : unknown;
    }
    if (of.kind === "column") return changeColumn(of, name, values);
    if (of.kind === "extra") return changeExtra(of, name, values);
    if (of.kind === "table" && name === "enableRLS") return { ...of, hasRowLevelSecurity: true };
    // an order of a column in an index
    if (of.kind === "column of") return of;
    if (of.kind === "drizzle") return callMethodOfDrizzle(of.name, name, values, place);
    if (of.kind === "constant" && of.value === "Object") return partsOfObject(name, first);
    return unknown;
  }

  function callMethodOfDrizzle(
    of: string,
    name: string,
    [first, ...rest]: readonly DrizzleValue[],
    place: Place,
  ): DrizzleValue {
    if (of === "sql") return sqlOf(name, first);
    if (of !== "pgTable" || name !== "withRLS") return unknown;
    const table = createTable(null, first ?? unknown, rest, place);
    return table.kind === "table" ? { ...table, hasRowLevelSecurity: true } : table;
  }

  function sqlOf(name: string, value: DrizzleValue | undefined): DrizzleValue {
    const text = textOf(value);
    if (text === null) return unknown;
    if (name === "raw") return { kind: "sql", parts: [text] };
    return name === "identifier" ? { kind: "sql", parts: [`"${text.replaceAll('"', '""')}"`] } : unknown;
  }

  return { exportedValue, apply };
}

export type Evaluator = ReturnType<typeof createEvaluator>;

/** The table of Supabase Auth, which drizzle-orm/supabase has for foreign keys. */
const authUsers: DrizzleTable = {
  kind: "table",
  schema: "auth",
  name: "users",
  columns: new Map([["id", createColumn({ kind: "sql", sql: "uuid" }, "id", { file: "", line: 1 })]]),
  extras: [],
  hasRowLevelSecurity: true,
  isMade: false,
  unread: [],
  place: { file: "", line: 1 },
};

const extras = ["uniqueIndex", "index", "unique", "primaryKey", "foreignKey", "check", "pgPolicy"];

/** Object.keys and Object.values, which give an enum its labels. */
function partsOfObject(name: string, value: DrizzleValue | undefined): DrizzleValue {
  if (value?.kind !== "object" || (name !== "keys" && name !== "values")) return unknown;
  const items = [...value.entries].map(
    ([key, entry]): DrizzleValue => (name === "keys" ? { kind: "constant", value: key } : entry.value),
  );
  return { kind: "list", items };
}

function placeOf(module: Module, node: Syntax): Place {
  return { file: module.file, line: module.lineOf(node) };
}

function constantOf(node: Syntax): DrizzleValue {
  const value = partOf(node, "value");
  if (value === null || typeof value === "string" || typeof value === "number") return { kind: "constant", value };
  return typeof value === "boolean" || typeof value === "bigint" ? { kind: "constant", value } : unknown;
}

function negate(value: DrizzleValue, operator: unknown): DrizzleValue {
  if (value.kind !== "constant" || operator !== "-") return unknown;
  if (typeof value.value === "number") return { kind: "constant", value: -value.value };
  return typeof value.value === "bigint" ? { kind: "constant", value: -value.value } : unknown;
}

function constantText(value: DrizzleValue): string | null {
  return value.kind === "constant" ? String(value.value) : null;
}

function cookedText(node: Syntax): string {
  const value = partOf(node, "value");
  const cooked: unknown = typeof value === "object" && value !== null && "cooked" in value ? value.cooked : "";
  return typeof cooked === "string" ? cooked : "";
}

function itemsOf(value: DrizzleValue | undefined): readonly DrizzleValue[] {
  return value?.kind === "list" ? value.items : [];
}

function optionsOf(value: DrizzleValue | undefined): ColumnOptions {
  const entries = value?.kind === "object" ? [...value.entries] : [];
  return new Map(
    entries.flatMap(([key, { value: each }]): [string, string | number | boolean][] => {
      if (each.kind !== "constant" || each.value === null || typeof each.value === "bigint") return [];
      return [[key, each.value]];
    }),
  );
}

function createColumn(type: DrizzleType, name: string | null, place: Place): DrizzleColumn {
  return {
    kind: "column",
    name,
    type,
    isNotNull: false,
    isPrimaryKey: false,
    unique: null,
    default: null,
    filledByApp: null,
    arrays: "",
    identity: null,
    generated: null,
    references: null,
    place,
  };
}

function changeColumn(column: DrizzleColumn, method: string, [first, second]: readonly DrizzleValue[]): DrizzleValue {
  switch (method) {
    case "notNull":
      return { ...column, isNotNull: true };
    case "primaryKey":
      return { ...column, isPrimaryKey: true, isNotNull: true };
    case "unique":
      return {
        ...column,
        unique: { name: textOf(first), nullsNotDistinct: optionsOf(second).get("nulls") === "not distinct" },
      };
    case "default":
      return { ...column, default: first ?? unknown };
    case "defaultNow":
      return { ...column, default: { kind: "sql", parts: ["now()"] } };
    case "defaultRandom":
      return { ...column, default: { kind: "sql", parts: ["gen_random_uuid()"] } };
    case "$default":
    case "$defaultFn":
    case "$onUpdate":
    case "$onUpdateFn":
      return { ...column, filledByApp: column.filledByApp ?? method };
    case "array":
      return { ...column, arrays: `${column.arrays}[]` };
    case "generatedAlwaysAs":
      return { ...column, generated: first ?? unknown };
    case "generatedAlwaysAsIdentity":
      return { ...column, identity: "always", isNotNull: true };
    case "generatedByDefaultAsIdentity":
      return { ...column, identity: "by default", isNotNull: true };
    case "references": {
      const options = optionsOf(second);
      return {
        ...column,
        references: {
          to: first ?? unknown,
          onDelete: String(options.get("onDelete") ?? "") || null,
          onUpdate: String(options.get("onUpdate") ?? "") || null,
        },
      };
    }
    default:
      return column; // $type and what else is for TypeScript
  }
}

function createExtra(of: string, values: readonly DrizzleValue[], place: Place): DrizzleExtra {
  const [first] = values;
  const options = first?.kind === "object" ? [...first.entries].map(([key, { value }]) => [key, value] as const) : [];
  // primaryKey(table.a, table.b), as it was written once
  const columns: DrizzleValue | null = first?.kind === "column of" ? { kind: "list", items: values } : null;
  return {
    kind: "extra",
    of,
    name: textOf(first) ?? textOf(options.find(([key]) => key === "name")?.[1]),
    options: new Map([...options, ...(columns === null ? [] : [["columns", columns] as const])]),
    place,
  };
}

function changeExtra(extra: DrizzleExtra, method: string, values: readonly DrizzleValue[]): DrizzleExtra {
  const [first] = values;
  const set = (key: string, value: DrizzleValue) => ({ ...extra, options: new Map([...extra.options, [key, value]]) });
  switch (method) {
    case "on":
    case "onOnly":
      return set("columns", { kind: "list", items: values });
    case "using": // the method, and then the columns
      return set("columns", { kind: "list", items: values.slice(1) });
    case "where":
    case "onDelete":
    case "onUpdate":
      return set(method, first ?? unknown);
    case "nullsNotDistinct":
      return set(method, { kind: "constant", value: true });
    default:
      return extra;
  }
}
