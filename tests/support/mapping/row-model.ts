import type pg from "pg";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import type { MappedColumn, Mapping } from "../../../mapping/mapping.ts";
import { quoteIdentifier, quoteTable } from "../../../mapping/quote.ts";
import { isMetadataPath, payloadKey } from "../../../mapping/sources.ts";
import { readFields } from "./mapped-queue.ts";

type Payload = Record<string, unknown>;
type Values = Map<string, string | null>;

/** What is known of one user: its row by the names of columns, values as text; what Clerk gave, and what waits. */
type Known = {
  version: number;
  isDeleted: boolean;
  row: Values | null;
  given: Set<string>;
  waits: Set<string>;
  claim: { email: string | null; isVerified: boolean } | null;
};

/**
 * The rules of the mapping in a few lines: which event a column has its value from. Only the casts are PostgreSQL's.
 * Events arrive one after the other.
 */
export function createRowModel(pool: pg.Pool, mapping: Mapping) {
  const { users } = mapping;
  const fields = readFields(mapping);
  const known = new Map<string, Known>();
  const seen = new Set<string>();
  const email = users.columns.find(({ source }) => source === "email");
  const others = users.columns.filter(({ source }) => source !== "now" && source !== "email");

  const stateOf = (id: string): Known => {
    const found = known.get(id) ?? {
      version: 0,
      isDeleted: false,
      row: null,
      given: new Set(),
      waits: new Set(),
      claim: null,
    };
    known.set(id, found);
    return found;
  };

  async function text(sql: string, values: unknown[] = []): Promise<string | null> {
    const { rows } = await pool.query<{ text: string | null }>(`select (${sql})::text as text`, values);
    return rows[0]?.text ?? null;
  }

  function cast({ type, sqlType }: MappedColumn, value: unknown): Promise<string | null> {
    const json = [JSON.stringify(value)];
    const plain = "$1::jsonb #>> '{}'";
    if (type.kind === "json" || type.kind === "jsonb") return text("$1::jsonb", json);
    if (type.kind === "timestamp" || type.kind === "date")
      return text(`((${plain})::timestamptz at time zone 'utc')::${sqlType}`, json);
    return text(`(${plain})::${sqlType}`, json);
  }

  const fallback = async (column: MappedColumn, id: string) => {
    const value = column.default ?? null;
    if (value !== null) return cast(column, typeof value === "string" ? value.replaceAll("{id}", id) : value);
    return column.usesOwnDefault ? text(`(${column.ownDefault})::${column.sqlType}`) : null;
  };

  /** What Clerk gives the column; undefined: nothing that it takes. */
  const takenFrom = ({ source, allowed }: MappedColumn, payload: Payload): unknown => {
    if (source === "id") return payload["clerk_id"];
    const given = payload["given"] ?? [];
    if (isMetadataPath(source) && !(Array.isArray(given) && given.includes(source))) return undefined;
    const value = payload[payloadKey(source) ?? source] ?? undefined;
    if (value === undefined || allowed === null) return value;
    return typeof value === "string" && allowed.includes(value) ? value : undefined;
  };

  /** Whether an event changes a column of a row that is there. */
  const changes = ({ name, source, write }: MappedColumn, { given, waits }: Known, value: unknown): boolean => {
    if (source === "uuid" || source === "id") return false;
    if (write === "once") return waits.has(name) && value !== undefined;
    return !isMetadataPath(source) || given.has(source);
  };

  async function apply(state: Known, id: string, payload: Payload): Promise<void> {
    const isNew = state.row === null;
    const row: Values = state.row ?? new Map();
    for (const column of others) {
      const { name, write } = column;
      const value = takenFrom(column, payload);
      if (!isNew && !changes(column, state, value)) continue;
      row.set(name, value === undefined ? await fallback(column, id) : await cast(column, value));
      if (write === "once" && isNew && value === undefined) state.waits.add(name);
      else state.waits.delete(name);
    }
    state.row = row;
    if (email !== undefined) {
      state.claim = {
        email: typeof payload["email"] === "string" ? payload["email"] : null,
        isVerified: payload["email_verified"] === true,
      };
    }
  }

  return {
    /** Reads the rows that are there before the first event. */
    start: async () => {
      for (const [id, row] of await readTable()) stateOf(id).row = row;
    },
    arrive: async (event: unknown, eventId: string) => {
      if (seen.has(eventId)) return;
      seen.add(eventId);
      const parsed = parseEvent(new TextEncoder().encode(JSON.stringify(event)));
      if (parsed.type === "unhandled") throw new Error("unhandled");
      if (parsed.type === "user.deleted") {
        const state = stateOf(parsed.clerkId ?? "");
        state.isDeleted = true;
        if (users.softDelete === null) state.row = null;
        return;
      }
      const { id } = parsed.user;
      const state = stateOf(id);
      if (state.isDeleted) return;
      const payload: Payload = mapUser(parsed.user, fields);
      const fresh = ((payload["given"] as string[] | undefined) ?? []).filter((source) => !state.given.has(source));
      for (const source of fresh) state.given.add(source);
      if (parsed.version >= state.version) {
        state.version = parsed.version;
        await apply(state, id, payload);
        return;
      }
      for (const column of others) {
        if (fresh.includes(column.source) && column.write === "always") {
          state.row?.set(column.name, await fallback(column, id));
        }
      }
    },
    /** The rows as they must be, but for the times of writes and the addresses. */
    rows: () => {
      const there = [...known].filter(([, { row }]) => row !== null).sort(([one], [next]) => (one < next ? -1 : 1));
      return there.map(([id, { row, isDeleted }]) => ({
        id,
        isDeleted,
        ...Object.fromEntries(others.map(({ name }) => [name, row?.get(name) ?? null])),
      }));
    },
    /** The addresses of those who are there, as reads from Clerk's API settle them. */
    emails: async () => {
      const living = [...known].filter(([, { isDeleted, claim }]) => !isDeleted && claim !== null);
      const rank = ({ claim, version }: Known) => (claim?.isVerified ? 1e15 : 0) + version;
      const found: Record<string, string | null> = {};
      for (const [id, state] of living) {
        if (email === undefined) break;
        const { claim } = state;
        const isBeaten =
          email.isWhollyUnique &&
          living.some(([, rival]) => rival.claim?.email === claim?.email && rank(rival) > rank(state));
        const own = claim?.email ?? null;
        found[id] = own === null || isBeaten ? await fallback(email, id) : own;
      }
      return found;
    },
    read: async () => {
      const rows = [...(await readTable())].sort(([one], [next]) => (one < next ? -1 : 1));
      return rows.map(([id, row]) => ({
        id,
        isDeleted: row.get("is deleted") === "true",
        ...Object.fromEntries(others.map(({ name }) => [name, row.get(name) ?? null])),
      }));
    },
    readEmails: async () => {
      const rows = await readTable();
      const living = [...known].filter(([, { isDeleted, claim }]) => !isDeleted && claim !== null);
      return email === undefined
        ? {}
        : Object.fromEntries(living.map(([id]) => [id, rows.get(id)?.get(email.name) ?? null]));
    },
  };

  async function readTable(): Promise<Map<string, Values>> {
    const columns = users.columns.map(({ name, type }) => {
      const quoted = quoteIdentifier(name);
      return `(${type.kind === "json" ? `${quoted}::jsonb` : quoted})::text as ${quoted}`;
    });
    const deleted = users.softDelete === null ? "false" : `${quoteIdentifier(users.softDelete.column)} is not null`;
    const { rows } = await pool.query<Record<string, string | null>>(
      `select ${["clerk_id::text", `(${deleted})::text as "is deleted"`, ...columns].join(", ")} from ${quoteTable(users.table)}`,
    );
    return new Map(rows.map((row) => [row["clerk_id"] ?? "", new Map(Object.entries(row))]));
  }
}
