import type pg from "pg";
import { expect } from "vitest";
import { mapUser } from "#core/clerk/map-user.ts";
import { parseEvent } from "#core/clerk/parse-event.ts";
import type { MappedColumn, Mapping } from "../../../mapping/mapping.ts";
import { quoteIdentifier, quoteLiteral, quoteTable } from "../../../mapping/quote.ts";
import { isMetadataPath, payloadKey } from "../../../mapping/sources.ts";
import { readFields } from "./mapped-queue.ts";

type Payload = Record<string, unknown>;

/** A row of the table; values as text by the names of columns. */
type Row = { rowId: string; values: ReadonlyMap<string, string | null> };
type FoundRow = Row & { id: string | null; isDeleted: boolean };

type Claim = { email: string | null; isVerified: boolean };

/** What is known of one user. */
type Known = {
  version: number;
  isDeleted: boolean;
  /** The row that was there before the first event, or that the user was linked to; null: the sync makes the row. */
  own: Row | null;
  /** What the newest event says; null: no event came. */
  newest: Payload | null;
  /** What the events say that may be the first to fill a column which is written once. */
  offered: Payload[];
  /** The metadata that Clerk gave, and what it gave in events of which the sync may know or not. */
  given: Set<string>;
  perhapsGiven: Set<string>;
  /** The addresses that Clerk ever had as verified. */
  proved: Set<string>;
};

type Options = {
  /**
   * In which order the events arrive at the sync. As told: one after the other, as the model hears of them. Any: the model
   * hears of them in Clerk's order, and where the order of arrival decides, it allows what any order would give.
   */
  order: "as told" | "any";
};

/**
 * The rules of the mapping in a few lines: which event a column has its value from, and who has which address. Only the
 * casts are PostgreSQL's.
 */
export function createRowModel(pool: pg.Pool, mapping: Mapping, { order }: Options) {
  const { users } = mapping;
  const fields = readFields(mapping);
  const known = new Map<string, Known>();
  const seen = new Set<string>();
  const email = users.columns.find(({ source }) => source === "email");
  const others = users.columns.filter(({ source }) => source !== "now" && source !== "email");
  let unlinked: readonly Row[] = [];
  /** Addresses of rows without a Clerk id, which no user gets. */
  const kept = new Set<string>();

  const stateOf = (id: string): Known => {
    const found = known.get(id) ?? {
      version: 0,
      isDeleted: false,
      own: null,
      newest: null,
      offered: [],
      given: new Set(),
      perhapsGiven: new Set(),
      proved: new Set(),
    };
    known.set(id, found);
    return found;
  };

  /** What a value of Clerk is in the column, as SQL. */
  function cast({ type, sqlType }: MappedColumn, value: unknown): string {
    const json = `${quoteLiteral(JSON.stringify(value))}::jsonb`;
    if (type.kind === "json" || type.kind === "jsonb") return json;
    const text = `(${json} #>> '{}')`;
    if (type.kind === "timestamp" || type.kind === "date")
      return `(${text}::timestamptz at time zone 'utc')::${sqlType}`;
    return `${text}::${sqlType}`;
  }

  const fallback = (column: MappedColumn, id: string): string => {
    const value = column.default ?? null;
    if (value !== null) return cast(column, typeof value === "string" ? value.replaceAll("{id}", id) : value);
    return column.usesOwnDefault ? `(${column.ownDefault})::${column.sqlType}` : "null";
  };

  /** What Clerk gives the column; undefined: nothing that it takes. */
  const takenFrom = ({ source, allowed }: MappedColumn, payload: Payload): unknown => {
    if (source === "id") return payload["clerk_id"];
    const given = payload["given"] ?? [];
    if (isMetadataPath(source) && !(Array.isArray(given) && given.includes(source))) return undefined;
    const value = payload[payloadKey(source) ?? source] ?? undefined;
    if (value === undefined || allowed === null) return value;
    return allowed.includes(typeof value === "string" ? value : JSON.stringify(value)) ? value : undefined;
  };

  const valueFrom = (column: MappedColumn, payload: Payload, id: string): string => {
    const value = takenFrom(column, payload);
    return value === undefined ? fallback(column, id) : cast(column, value);
  };

  /** What may stand in a column, as SQL: one value, or several where the order of arrival decides. */
  function candidates(column: MappedColumn, { own, newest, offered, given, perhapsGiven }: Known, id: string) {
    const { name, source, write } = column;
    const before = own?.values.get(name);
    const kept = before === undefined || before === null ? "null" : quoteLiteral(before);
    if (newest === null) return [kept];
    const said = valueFrom(column, newest, id);
    if (own === null && write === "once") {
      const first = offered.filter((payload) => takenFrom(column, payload) !== undefined);
      const values = first.map((payload) => valueFrom(column, payload, id));
      return values.length === 0 ? [said] : order === "any" ? values : values.slice(0, 1);
    }
    if (own === null) return [said];
    if (source === "uuid" || source === "id" || write === "once") return [kept];
    if (!isMetadataPath(source) || given.has(source)) return [said];
    return perhapsGiven.has(source) ? [kept, said] : [kept];
  }

  const claimOf = ({ newest }: Known): Claim | null =>
    email === undefined || newest === null
      ? null
      : {
          email: typeof newest["email"] === "string" ? newest["email"] : null,
          isVerified: newest["email_verified"] === true,
        };

  const isThere = ({ isDeleted, own, newest }: Known) =>
    isDeleted && (users.softDelete === null || order === "any") ? false : own !== null || newest !== null;

  /** Notes what an event brings, whatever becomes of it. */
  function note(event: unknown): { id: string; version: number; payload: Payload | null } {
    const parsed = parseEvent(new TextEncoder().encode(JSON.stringify(event)));
    if (parsed.type === "unhandled" || "kind" in parsed) throw new Error("no event of a user");
    if (parsed.type === "user.deleted") return { id: parsed.clerkId ?? "", version: parsed.version, payload: null };
    const payload: Payload = mapUser(parsed.user, fields);
    const { id } = parsed.user;
    if (payload["email_verified"] === true) stateOf(id).proved.add(String(payload["email"]).toLowerCase());
    return { id, version: parsed.version, payload };
  }

  return {
    /** Reads the rows that are there before the first event. */
    start: async () => {
      const rows = await readTable();
      for (const row of rows) if (row.id !== null) stateOf(row.id).own = row;
      unlinked = rows.filter(({ id }) => id === null);
    },
    arrive: (event: unknown, eventId: string) => {
      if (seen.has(eventId)) return;
      seen.add(eventId);
      const { id, version, payload } = note(event);
      const state = stateOf(id);
      if (payload === null) {
        state.isDeleted = true;
        return;
      }
      if (state.isDeleted) return;
      for (const source of givenBy(payload)) state.given.add(source);
      if (version < state.version) return;
      state.version = version;
      state.newest = payload;
      state.offered.push(payload);
    },
    /** An event that the sync may hear of or not: it was lost and may have been read, or it is replaced by a read. */
    mayArrive: (event: unknown) => {
      const { id, payload } = note(event);
      if (payload === null) return;
      for (const source of givenBy(payload)) stateOf(id).perhapsGiven.add(source);
      stateOf(id).offered.push(payload);
    },
    /**
     * Looks which users have the rows that had no Clerk id: the order of arrival decides between users who proved the
     * address of such a row. No other user may have it, and no living one who has proved it may be without, but for those
     * who had a row before.
     */
    followLinks: async () => {
      const rows = await readTable();
      for (const row of unlinked) {
        const address = email === undefined ? null : row.values.get(email.name)?.toLowerCase();
        const provers = [...known].filter(([, { proved }]) => address != null && proved.has(address));
        const now = rows.find(({ rowId }) => rowId === row.rowId);
        if (now === undefined) {
          expect(provers.some(([, { isDeleted }]) => isDeleted)).toBe(true);
        } else if (now.id === null) {
          const holders = provers.filter(
            ([, state]) => !state.isDeleted && state.own === null && isProof(claimOf(state), address),
          );
          expect(users.linkBy === null ? [] : holders.map(([id]) => id)).toEqual([]);
          expect(now).toEqual(row);
          if (address != null) kept.add(address);
        } else {
          expect(users.linkBy === null ? [] : provers.map(([id]) => id)).toContain(now.id);
          expect(stateOf(now.id).own).toBeNull(); // a row that was there is kept
          stateOf(now.id).own = row;
        }
      }
    },
    /** The rows as they must be, but for the times of writes and the addresses. In any order: of living users. */
    rows: async () => {
      const there = [...known].filter(([, state]) => isThere(state)).sort(([one], [next]) => (one < next ? -1 : 1));
      const cells = there.flatMap(([id, state]) => others.map((column) => candidates(column, state, id)));
      const texts = await evaluate(cells.flat());
      const values = cells.map((cell) => [...new Set(texts.splice(0, cell.length))]);
      return there.map(([id, { isDeleted, own }]) => ({
        id,
        isDeleted,
        rowId: own?.rowId ?? expect.any(String),
        ...Object.fromEntries(others.map(({ name }) => [name, oneOf(values.shift() ?? [])])),
      }));
    },
    /** The addresses of those who are there, as reads from Clerk's API settle them. */
    emails: async () => {
      const living = [...known].flatMap(([id, state]) => {
        const claim = claimOf(state);
        return claim === null || state.isDeleted ? [] : [{ id, claim, version: state.version }];
      });
      const rank = ({ claim, version }: { claim: Claim; version: number }) => (claim.isVerified ? 1e15 : 0) + version;
      const found: Record<string, string | null> = {};
      for (const user of living) {
        if (email === undefined) break;
        const { claim, id } = user;
        const isBeaten =
          email.isWhollyUnique &&
          (kept.has(claim.email?.toLowerCase() ?? "") ||
            living.some((rival) => rival.claim.email === claim.email && rank(rival) > rank(user)));
        const [empty = null] = claim.email === null || isBeaten ? await evaluate([fallback(email, id)]) : [];
        found[id] = claim.email === null || isBeaten ? empty : claim.email;
      }
      return found;
    },
    read: async () => {
      const rows = (await readTable()).flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }]));
      const shown = rows.filter(({ isDeleted }) => !isDeleted || order === "as told");
      return shown
        .sort((one, next) => (one.id < next.id ? -1 : 1))
        .map(({ id, isDeleted, rowId, values }) => ({
          id,
          isDeleted,
          rowId,
          ...Object.fromEntries(others.map(({ name }) => [name, values.get(name) ?? null])),
        }));
    },
    readEmails: async () => {
      const rows = await readTable();
      const living = [...known].filter(([, state]) => !state.isDeleted && claimOf(state) !== null);
      const emailOf = (id: string) => rows.find((row) => row.id === id)?.values.get(email?.name ?? "") ?? null;
      return Object.fromEntries(living.map(([id]) => [id, emailOf(id)]));
    },
  };

  async function readTable(): Promise<FoundRow[]> {
    const texts = users.columns.map(({ name, type }) => {
      const quoted = quoteIdentifier(name);
      return `(${type.kind === "json" ? `${quoted}::jsonb` : quoted})::text`;
    });
    const deleted = users.softDelete === null ? "false" : `${quoteIdentifier(users.softDelete.column)} is not null`;
    const { rows } = await pool.query<{ id: string | null; row: string; deleted: boolean; texts: (string | null)[] }>(
      `select ${quoteIdentifier(users.key.name)}::text as id, ${quoteIdentifier(users.rowId)}::text as row, ${deleted} as deleted,
         array[${texts.join(", ")}]::text[] as texts
       from ${quoteTable(users.table)}`,
    );
    return rows.map(({ id, row, deleted: isDeleted, texts: found }) => ({
      id,
      rowId: row,
      isDeleted,
      values: new Map(users.columns.map(({ name }, place) => [name, found[place] ?? null])),
    }));
  }

  async function evaluate(expressions: readonly string[]): Promise<(string | null)[]> {
    const list = expressions.map((expression) => `(${expression})::text`).join(", ");
    const { rows } = await pool.query<{ texts: (string | null)[] }>(`select array[${list}]::text[] as texts`);
    return rows[0]?.texts ?? [];
  }
}

function givenBy(payload: Payload): readonly string[] {
  return (payload["given"] as readonly string[] | undefined) ?? [];
}

function isProof(claim: Claim | null, address: string | null | undefined): boolean {
  return claim?.isVerified === true && claim.email?.toLowerCase() === address;
}

function oneOf(values: readonly (string | null)[]): unknown {
  const [only = null, ...more] = values;
  return more.length === 0 ? only : expect.toBeOneOf([...values]);
}
