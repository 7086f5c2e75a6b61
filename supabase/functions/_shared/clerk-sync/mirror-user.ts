import { v5 as uuidV5 } from "uuid";
import { askMilliseconds, createJudgement } from "./ask-service.ts";
import type { AuthAdmin, AuthAnswer, AuthUser, AuthUserInput } from "./auth-admin.ts";
import type { JobOutcome, MirrorOrder } from "./database.ts";
import { errorMessage, SyncError } from "./errors.ts";
import { circuitOf } from "./watch-circuit.ts";

/** What was done to the mirror; `authUserId` is remembered for the next time. */
export type MirrorResult = {
  outcome: "created" | "updated" | "adopted" | "deleted" | "skipped";
  reason?: string;
  authUserId: string | null;
};

export type MirrorUser = (order: MirrorOrder) => Promise<MirrorResult>;

/** However many requests one user takes, all of them end by then. */
const requestMilliseconds = 12_000;
/** The same with the question whether Auth works at all: the lease must outlive the mirror (law 5). */
export const mirrorMilliseconds = requestMilliseconds + askMilliseconds;
/** The id of no user. */
const noUserId = "00000000-0000-4000-8000-000000000000";

/** Never change it: it decides the Auth id of every Clerk user. */
const namespace = "5f0d6a0e-4f5c-5d0b-9a57-6a2f3c1d8e42";

/** The Auth id of a Clerk user, known without asking anybody. */
export function authUserIdOf(clerkId: string): string {
  return uuidV5(clerkId, namespace);
}

/**
 * Makes the function that brings one user's mirror in Supabase Auth to the state given.
 * It throws SyncError `auth_unavailable`, `auth_rate_limited`, `auth_unauthorized`, `auth_user_failed` (Auth works, but
 * not for this user), `auth_email_conflict` (all worth another attempt) or `auth_rejected` (never will be accepted).
 */
export function createMirrorUser(auth: AuthAdmin): MirrorUser {
  const judge = createJudgement({
    ask: () => auth.until(AbortSignal.timeout(askMilliseconds)).getUser(noUserId), // any answer will do
    unavailable: "auth_unavailable",
    userFailed: "auth_user_failed",
    remedy: "Is a token in its row of auth.users NULL, or does a trigger there raise? See docs/errors.md.",
  });
  return async (order) => {
    try {
      return await mirror(auth.until(AbortSignal.timeout(requestMilliseconds)), order);
    } catch (error) {
      throw await judge(error);
    }
  };
}

async function mirror(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  if (order.deleted) return deleteMirror(auth, order);
  if (order.auth_user_id !== null) return updateMirror(auth, order, order.auth_user_id);
  if (order.email !== null || order.phone !== null) return createMirror(auth, order);
  return mirrorWithoutContact(auth, order);
}

/** Without email and phone nobody can be created in Auth. Who was, before both were removed, is updated. */
async function mirrorWithoutContact(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  const id = authUserIdOf(order.clerk_id);
  if ((await auth.getUser(id)).ok) return updateMirror(auth, order, id);
  return { outcome: "skipped", reason: "no_email_or_phone", authUserId: null };
}

async function deleteMirror(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  const answer = await auth.deleteUser(order.auth_user_id ?? authUserIdOf(order.clerk_id));
  if (answer.ok || answer.status === 404) return { outcome: "deleted", authUserId: null };
  throw rejected(answer);
}

/** Creates under the derived id. A retry after a lost answer finds that id taken, and updates it. */
async function createMirror(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  const id = authUserIdOf(order.clerk_id);
  const created = await auth.createUser({ ...toInput(order), id, password_hash: unusablePasswordHash() });
  if (created.ok) return { outcome: "created", authUserId: id };
  if (!isTaken(created)) throw rejected(created);
  const existing = await auth.getUser(id);
  if (existing.ok) return updateMirror(auth, order, id);
  return adoptMirror(auth, order);
}

/** Updates a known Auth user; when somebody deleted it over there, it is made again. */
async function updateMirror(auth: AuthAdmin, order: MirrorOrder, id: string): Promise<MirrorResult> {
  const input = { ...toInput(order), ...(await releasedEmail(auth, order, id)), ban_duration: banDuration(order) };
  const updated = await auth.updateUser(id, input);
  if (updated.ok) return { outcome: "updated", authUserId: id };
  if (updated.status === 404) return mirror(auth, { ...order, auth_user_id: null });
  if (!isTaken(updated)) throw rejected(updated);
  // Two users who swap addresses wait for each other: giving up the own one lets the other go first.
  await auth.updateUser(id, { ...input, email: placeholderEmail(id), email_confirm: true });
  throw emailConflict();
}

/**
 * The admin routes cannot remove an email. An address that is no longer the user's is replaced by one that
 * reaches nobody (.invalid, RFC 2606), so that its new owner can have it.
 */
async function releasedEmail(auth: AuthAdmin, order: MirrorOrder, id: string): Promise<Partial<AuthUserInput>> {
  if (order.email !== null) return {};
  const current = await auth.getUser(id);
  if (!current.ok || !current.user.email) return {};
  return { email: placeholderEmail(id), email_confirm: true };
}

function placeholderEmail(id: string): string {
  return `${id}@removed.invalid`;
}

/**
 * An Auth user that was there before the mirror and holds the email under another id is taken over, provided
 * that Clerk verified the address and that it is no other Clerk user's mirror: two living users never merge.
 */
async function adoptMirror(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  const holder = order.email === null ? undefined : await findByEmail(auth, order.email);
  if (holder === undefined || !order.email_verified || !isFree(holder, order.clerk_id)) throw emailConflict();
  const { email: _, email_confirm: __, ...input } = toInput(order);
  const updated = await auth.updateUser(holder.id, { ...input, ban_duration: banDuration(order) });
  if (!updated.ok && updated.status === 404) throw emailConflict();
  if (!updated.ok) throw rejected(updated);
  return { outcome: "adopted", authUserId: holder.id };
}

async function findByEmail(auth: AuthAdmin, email: string): Promise<AuthUser | undefined> {
  const wanted = email.toLowerCase();
  return (await auth.findUsers(wanted)).find((user) => user.email?.toLowerCase() === wanted);
}

function isFree(user: AuthUser, clerkId: string): boolean {
  const owner = user.app_metadata.clerk_id;
  return owner === undefined || owner === null || owner === clerkId;
}

/** The phone is given only where there is no email: it cannot be taken back through the admin routes. */
function toInput(order: MirrorOrder): AuthUserInput {
  const { clerk_id, email, phone, name, role } = order;
  return {
    ...(email === null ? {} : { email, email_confirm: true }),
    ...(email === null && phone !== null ? { phone, phone_confirm: true } : {}),
    ...(order.banned ? { ban_duration: banDuration(order) } : {}),
    app_metadata: { clerk_id, role },
    user_metadata: { clerk_id, full_name: name, role },
  };
}

/** 100 years: the Auth server knows no ban without an end. */
function banDuration(order: MirrorOrder): string {
  return order.banned ? "876000h" : "none";
}

/** email_exists and phone_exists on create, 23505 for a taken id on create and a taken email on update. */
function isTaken(answer: Extract<AuthAnswer, { ok: false }>): boolean {
  return ["email_exists", "phone_exists", "23505"].includes(answer.code);
}

/**
 * A well-formed bcrypt hash of nothing: the mirrored user signs in at Clerk, never here, and the Auth server
 * is spared a bcrypt run (about 50 ms of its CPU) per user.
 */
function unusablePasswordHash(): string {
  const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const characters = Array.from(crypto.getRandomValues(new Uint8Array(53)), (byte) => alphabet[byte % 64]);
  return `$2a$10$${characters.join("")}`;
}

function emailConflict(): SyncError {
  return new SyncError("auth_email_conflict", "Another Auth user holds this email or phone.", { retryable: true });
}

function rejected(answer: Extract<AuthAnswer, { ok: false }>): SyncError {
  return new SyncError("auth_rejected", `Supabase Auth refused the user: ${answer.status} ${answer.code}.`);
}

/** How an attempt ends whose mirror call failed: retried, or dead when trying again cannot help. */
export function outcomeOfError(jobId: string, error: unknown): JobOutcome {
  const known = error instanceof SyncError ? error : undefined;
  const circuit = circuitOf(error);
  return {
    job_id: jobId,
    outcome: known === undefined || known.retryable ? "retry" : "dead",
    error: `${known?.code ?? "internal"}: ${errorMessage(error)}`,
    ...(known?.retryAfterSeconds === undefined ? {} : { retry_after: known.retryAfterSeconds }),
    ...(circuit === undefined ? {} : { circuit }),
  };
}
