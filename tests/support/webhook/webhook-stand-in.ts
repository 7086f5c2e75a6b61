import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { z } from "zod";
import type { UserRecord, UserState } from "#core/admin/contract/users.ts";
import { signWebhook } from "#core/http/sign-webhook.ts";
import type { Clock } from "../../../cli/command-io.ts";

/** What a test makes the stand-in answer instead of doing its work; null lets it do it. */
export type Fault = { status: number; headers?: Record<string, string>; body?: string } | null;

export type Delivery = { id: string; timestamp: number; body: string };

type StoredState = {
  version: number;
  deleted: boolean;
  row: { email: string | null; name: string; role: string } | null;
};

export type StandIn = {
  url: string;
  deliveries: Delivery[];
  users: Map<string, StoredState>;
  stop: () => Promise<void>;
};

export type StandInOptions = {
  /** Called for each delivery with how often its id came before. */
  fault?: (delivery: Delivery, earlier: number) => Fault;
  /** Stands in for a worker that lags: jobs said to be open at the n-th question. */
  openJobs?: (question: number) => number;
  /** Changes what is answered about a user. */
  spoil?: (state: StoredState) => StoredState;
};

export const standInSecret = `whsec_${btoa("a key that only tests know")}`;
export const standInKey = "sb_secret_test";

const eventSchema = z.object({
  type: z.string(),
  timestamp: z.number(),
  data: z.object({
    id: z.string(),
    first_name: z.string().nullish(),
    last_name: z.string().nullish(),
    primary_email_address_id: z.string().nullish(),
    email_addresses: z.array(z.object({ id: z.string(), email_address: z.string() })).default([]),
    public_metadata: z.object({ role: z.string().optional() }).default({}),
  }),
});

/** A webhook and its rows over real HTTP: checks signatures, drops repeats, keeps the newest state of each user. */
export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const deliveries: Delivery[] = [];
  const users = new Map<string, StoredState>();
  const routes: Record<string, (request: IncomingMessage, body: string) => Promise<Fault>> = {
    "/functions/v1/clerk-webhook": async (request, body) => receive(request, body, { deliveries, users, options }),
    "/rest/v1/rpc/clerk_sync_users": createRowsRoute(users, options),
  };
  const server = createServer((request, response) => {
    void readText(request).then(async (body) => {
      reply(response, (await routes[request.url ?? ""]?.(request, body)) ?? { status: 404 });
    });
  });
  return { url: await listen(server), deliveries, users, stop: async () => close(server) };
}

type Received = { deliveries: Delivery[]; users: Map<string, StoredState>; options: StandInOptions };

async function receive(request: IncomingMessage, body: string, received: Received): Promise<Fault> {
  const delivery = { id: header(request, "svix-id"), timestamp: Number(header(request, "svix-timestamp")), body };
  const signed = await signWebhook({ ...delivery, body: new TextEncoder().encode(body), secret: standInSecret });
  if (signed["svix-signature"] !== header(request, "svix-signature")) {
    return { status: 401, body: '{"error":"Invalid signature"}' };
  }
  const earlier = received.deliveries.filter(({ id }) => id === delivery.id).length;
  received.deliveries.push(delivery);
  const fault = received.options.fault?.(delivery, earlier) ?? null;
  if (fault !== null) return fault;
  store(received.users, body);
  return { status: earlier === 0 ? 202 : 200, body: "{}" };
}

function store(users: Map<string, StoredState>, body: string): void {
  const { type, timestamp, data } = eventSchema.parse(JSON.parse(body));
  const known = users.get(data.id);
  if (type === "user.deleted") users.set(data.id, { version: timestamp, deleted: true, row: null });
  if (type === "user.deleted" || known?.deleted || (known?.version ?? 0) > timestamp) return;
  const email = data.email_addresses.find(({ id }) => id === data.primary_email_address_id)?.email_address ?? null;
  const name = [data.first_name, data.last_name]
    .map((part) => part?.trim())
    .filter(Boolean)
    .join(" ");
  const role = data.public_metadata.role === "admin" ? "admin" : "user";
  users.set(data.id, { version: timestamp, deleted: false, row: { email, name, role } });
}

function createRowsRoute(users: Map<string, StoredState>, options: StandInOptions) {
  let questions = 0;
  return async (request: IncomingMessage, body: string): Promise<Fault> => {
    if (header(request, "apikey") !== standInKey) return { status: 401, body: '{"message":"Invalid API key"}' };
    const ids = z.object({ p_clerk_ids: z.array(z.string()).max(500) }).parse(JSON.parse(body)).p_clerk_ids;
    const openJobs = options.openJobs?.(++questions) ?? 0;
    const answer = ids.flatMap((clerkId) => {
      const state = users.get(clerkId);
      return state === undefined ? [] : [describeUser(clerkId, options.spoil?.(state) ?? state, openJobs)];
    });
    return { status: 200, body: JSON.stringify(answer) };
  };
}

const emptyState: UserState = {
  version: 1,
  deleted_at: null,
  synced_at: null,
  mirrored_version: null,
  auth_user_id: null,
  auth_finding: null,
  refresh_due_at: null,
  refresh_reason: null,
  ignored: null,
  unlinked_row: null,
};

function describeUser(clerkId: string, { deleted, row }: StoredState, openJobs: number): UserRecord {
  return {
    clerk_id: clerkId,
    table: "public.users",
    columns: describeColumns(row),
    row: row === null ? null : { ...row, id: clerkId, name: row.name || null, deleted_at: null },
    state: { ...emptyState, deleted_at: deleted ? "2026-11-20T10:00:00Z" : null },
    values: null,
    open_jobs: openJobs,
    dead_jobs: 0,
  };
}

/** As the mapping of this repository. */
function describeColumns(row: StoredState["row"]): UserRecord["columns"] {
  return [
    { name: "email", source: "email", value: row?.email ?? null, rule: null },
    { name: "name", source: "name", value: row?.name || null, rule: null },
    {
      name: "role",
      source: "public_metadata.role",
      value: row?.role ?? null,
      rule: { allowed: ["user", "admin"], default: "user" },
    },
  ];
}

function header(request: IncomingMessage, name: string): string {
  return String(request.headers[name] ?? "");
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, answer: Exclude<Fault, null>): void {
  response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end(answer.body);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** A clock on which sleeping takes no time; `slept` is what would have been slept. */
export function createTestClock(start = Date.UTC(2026, 10, 24)): Clock & { slept: number[] } {
  let now = start;
  const slept: number[] = [];
  const sleep = async (milliseconds: number) => {
    slept.push(milliseconds);
    now += milliseconds;
    await new Promise(setImmediate);
  };
  return { now: () => now, sleep, slept };
}
