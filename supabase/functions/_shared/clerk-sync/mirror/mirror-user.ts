import { userUuid } from "../clerk/user-uuid.ts";
import type { MirrorOrder } from "../database/database.ts";
import { askMilliseconds, createJudgement } from "../http/ask-service.ts";
import {
  type Adoption,
  adoptHolder,
  banWithoutEnd,
  type HolderLock,
  lockInput,
  removeUnconfirmed,
} from "./adopt-holder.ts";
import type { AuthAdmin, AuthAnswer, AuthUser, AuthUserInput } from "./auth-admin.ts";
import { addressRefused, conflict, isRefusedContact, isTaken, rejected } from "./auth-refusals.ts";
import {
  type Contact,
  contactOf,
  isPlaceholder,
  isPlaceholderPhone,
  placeholder,
  placeholderPhone,
} from "./mirror-contact.ts";
import { askForNobody } from "./read-auth-users.ts";

/** What was done to the mirror; `authUserId` is remembered for the next time. */
export type MirrorResult = {
  outcome: "created" | "updated" | "adopted" | "deleted" | "skipped";
  reason?: string;
  /** Another Auth user holds the address or number: the mirror has a placeholder. */
  finding?: "auth_address_held";
  authUserId: string | null;
};

export type MirrorUser = (order: MirrorOrder) => Promise<MirrorResult | HolderLock>;

/** However many requests one user takes, all of them end by then. */
const requestMilliseconds = 12_000;
/** The same with the question whether Auth works at all: the lease must outlive the mirror (law 5). */
export const mirrorMilliseconds = requestMilliseconds + askMilliseconds;

/** The Auth id of a Clerk user, known without asking anybody. A mirror with another id was adopted. */
export function authUserIdOf(clerkId: string): string {
  return userUuid(clerkId);
}

/**
 * Makes the function that brings one user's mirror in Supabase Auth to the state given. Nobody signs in natively as a
 * mirrored user. Every mirror carries a ban without end: with automatic confirmation Auth links an identity of any
 * provider by an address that nobody proved (supabase/auth, internal/models/linking.go). A sign-up asks for no ban and
 * hands out a session for a contact that is not confirmed (internal/api/signup.go), so that every address and number of
 * a mirror is confirmed: one that Clerk has verified and nobody else in Auth holds, or else a placeholder.
 * `adoption`: AUTH_ADOPT, see adopt-holder.ts.
 * It throws SyncError `auth_unavailable`, `auth_rate_limited`, `auth_unauthorized`, `auth_user_failed` (Auth works, but
 * not for this user), `auth_email_conflict` (all worth another attempt), `auth_address_refused` or `auth_rejected` (never will be accepted).
 */
export function createMirrorUser(auth: AuthAdmin, adoption: Adoption | null = null): MirrorUser {
  const judge = createJudgement({
    ask: () => askForNobody(auth.until(AbortSignal.timeout(askMilliseconds))),
    unavailable: "auth_unavailable",
    userFailed: "auth_user_failed",
    remedy: "Is a token in its row of auth.users NULL, or does a trigger there raise? See docs/errors.md.",
  });
  return async (order) => {
    try {
      return await mirror(auth.until(AbortSignal.timeout(requestMilliseconds)), order, adoption);
    } catch (error) {
      throw await judge(error);
    }
  };
}

async function mirror(auth: AuthAdmin, order: MirrorOrder, adoption: Adoption | null) {
  if (order.relinked) return { outcome: "skipped", reason: "relinked", authUserId: null } as const;
  if (order.deleted) return deleteMirror(auth, order);
  if (order.auth_user_id !== null) return updateMirror(auth, order, order.auth_user_id, adoption);
  if (order.email === null && order.phone === null) return mirrorWithoutContact(auth, order, adoption);
  return createMirror(auth, order, adoption);
}

/** Without email and phone nobody can be created in Auth. Who was, before both were removed, is updated. */
async function mirrorWithoutContact(auth: AuthAdmin, order: MirrorOrder, adoption: Adoption | null) {
  const id = authUserIdOf(order.clerk_id);
  if ((await auth.getUser(id)).ok) return updateMirror(auth, order, id, adoption);
  return { outcome: "skipped", reason: "no_email_or_phone", authUserId: null } as const;
}

async function deleteMirror(auth: AuthAdmin, order: MirrorOrder): Promise<MirrorResult> {
  const answer = await auth.deleteUser(order.auth_user_id ?? authUserIdOf(order.clerk_id));
  if (answer.ok || answer.status === 404) return { outcome: "deleted", authUserId: null };
  throw rejected(answer);
}

/** Creates under the derived id. A retry after a lost answer finds that id taken, and updates it. */
async function createMirror(
  auth: AuthAdmin,
  order: MirrorOrder,
  adoption: Adoption | null,
): Promise<MirrorResult | HolderLock> {
  const id = authUserIdOf(order.clerk_id);
  const contact = contactOf(order, id);
  const create = (with_: Contact) =>
    auth.createUser({ ...toInput(order), ...with_, id, password_hash: unusablePasswordHash() });
  const created = await create(contact);
  if (created.ok) return { outcome: "created", authUserId: id };
  if (isRefusedContact(created, contact)) {
    await withPlaceholder(id, create);
    throw addressRefused();
  }
  if (!isTaken(created)) throw rejected(created);
  if ((await auth.getUser(id)).ok) return updateMirror(auth, order, id, adoption);
  const holder = await findHolder(auth, order);
  if (holder?.app_metadata["clerk_id"] === order.clerk_id) return updateMirror(auth, order, holder.id, adoption);
  if (holder !== undefined && adoption !== null) {
    const holding = { order, holderId: holder.id, adoption };
    if (await removeUnconfirmed(auth, holding)) return createMirror(auth, order, null);
    const adopted = await adoptHolder(auth, holding, adoptedInput(order));
    if (adopted === "adopted") return { outcome: "adopted", authUserId: holder.id };
    if (adopted !== null) return adopted;
  }
  const again = holder === undefined ? await create(contact) : created; // the holder may be gone by now
  if (again.ok) return { outcome: "created", authUserId: id };
  const placed = await withPlaceholder(id, create);
  if (isTaken(placed)) throw conflict(); // the id by now
  if (!placed.ok) throw rejected(placed);
  return { outcome: "created", finding: "auth_address_held", authUserId: id };
}

/** Updates a known Auth user; when somebody deleted it over there, it is made again. */
async function updateMirror(
  auth: AuthAdmin,
  order: MirrorOrder,
  id: string,
  adoption: Adoption | null,
): Promise<MirrorResult | HolderLock> {
  const isAdopted = id !== authUserIdOf(order.clerk_id);
  if (isAdopted) await auth.removeFactors(id);
  const input = isAdopted ? adoptedInput(order) : toInput(order);
  const update = (with_: Contact) => auth.updateUser(id, { ...input, ...with_ });
  const isHeld = await isStillHeld(auth, order, id);
  const contact = isHeld ? placeholder(id) : await contactToWrite(auth, order, id);
  const updated = await update(contact);
  if (updated.ok) {
    await releasePhone(auth, updated.user, contact);
    return { outcome: "updated", ...(isHeld ? { finding: "auth_address_held" as const } : {}), authUserId: id };
  }
  if (updated.status === 404) return mirror(auth, { ...order, auth_user_id: null }, adoption);
  if (!isTaken(updated) && !isRefusedContact(updated, contact)) throw rejected(updated);
  return updateWithout(auth, { order, id, adoption, refusal: updated, contact, update });
}

type RefusedUpdate = {
  order: MirrorOrder;
  id: string;
  adoption: Adoption | null;
  refusal: Extract<AuthAnswer, { ok: false }>;
  contact: Contact;
  update: (contact: Contact) => Promise<AuthAnswer>;
};

/** Writes everything but the address or number that Auth did not take, then says why it did not. */
async function updateWithout(
  auth: AuthAdmin,
  { order, id, adoption, refusal, contact, update }: RefusedUpdate,
): Promise<MirrorResult> {
  // Two users who swap addresses wait for each other: giving up the own one lets the other go first.
  const placed = contact.phone === undefined ? await withPlaceholder(id, update) : await update(placeholderPhone());
  if (!placed.ok) throw rejected(placed);
  if (isRefusedContact(refusal, contact)) throw addressRefused();
  const holder = await findHolder(auth, order);
  if (holder !== undefined && adoption !== null) {
    const isRemoved = await removeUnconfirmed(auth, { order, holderId: holder.id, adoption });
    if (isRemoved && (await update(contact)).ok) return { outcome: "updated", authUserId: id };
  }
  if (holder === undefined && (await update(contact)).ok) return { outcome: "updated", authUserId: id }; // it is gone
  return { outcome: "updated", finding: "auth_address_held", authUserId: id };
}

/** Whether the finding of an earlier attempt still holds. This user's own row is no other holder. */
async function isStillHeld(auth: AuthAdmin, order: MirrorOrder, id: string): Promise<boolean> {
  const { email } = contactOf(order, id);
  if (order.auth_finding !== "auth_address_held" || email === undefined || isPlaceholder(email)) return false;
  const own = await auth.getUser(id);
  if (own.ok && own.user.email?.toLowerCase() === email.toLowerCase()) return false;
  if (!(await auth.isEmailTaken(email))) return false;
  await findHolder(auth, order); // another user's mirror by now is no finding
  return true;
}

/** Attempts that a conflict may take to pass, as it does between two users who swap. */
const patience = 3;

/**
 * Who holds the address that this user should have. Another user's mirror is no finding: two living users never merge,
 * and the other gives the address up by its own update. Undefined: Auth shows no holder, for it is found by neither
 * filter nor number: an identity of another user, another audience, upper case in the row, a phone.
 */
async function findHolder(auth: AuthAdmin, order: MirrorOrder): Promise<AuthUser | undefined> {
  const email = order.email?.toLowerCase() ?? null;
  const found = email === null ? [] : await auth.findUsers(email);
  const holder = found.find((user) => user.email?.toLowerCase() === email && !isSso(user));
  const owner = holder?.app_metadata["clerk_id"] ?? order.clerk_id;
  if (owner !== order.clerk_id) throw conflict();
  const isTemporary = holder === undefined && order.auth_finding !== "auth_address_held" && order.attempts < patience;
  if (isTemporary && (email === null || !(await auth.isEmailTaken(email)))) throw conflict();
  return holder;
}

/** Users of single sign-on may have the address of another: no unique index counts them. */
function isSso({ app_metadata: { provider } }: AuthUser): boolean {
  return typeof provider === "string" && provider.startsWith("sso:");
}

/**
 * The admin routes cannot remove an email. An address that is no longer the user's is replaced by one that
 * reaches nobody (.invalid, RFC 2606), so that its new owner can have it.
 */
async function contactToWrite(auth: AuthAdmin, order: MirrorOrder, id: string): Promise<Contact> {
  const contact = contactOf(order, id);
  if (contact.email !== undefined) return contact;
  const current = await auth.getUser(id);
  if (!current.ok || !current.user.email) return contact;
  return { ...placeholder(id), ...contact };
}

/** Somebody may have signed up with the placeholder itself: then one is taken that cannot be guessed. */
async function withPlaceholder(id: string, write: (contact: Contact) => Promise<AuthAnswer>): Promise<AuthAnswer> {
  const answer = await write(placeholder(id));
  return isTaken(answer) ? write(placeholder(`${id}.${crypto.randomUUID()}`)) : answer;
}

/** A number that is no longer the user's would let its next owner in, and would keep it from them. */
async function releasePhone(auth: AuthAdmin, user: AuthUser, contact: Contact): Promise<void> {
  if (!user.phone || contact.phone !== undefined || isPlaceholderPhone(user.phone)) return;
  const released = await auth.updateUser(user.id, placeholderPhone());
  if (!released.ok && released.status !== 404) throw isTaken(released) ? conflict() : rejected(released);
}

/** Every mirror is banned in Auth, in the very request that makes it; Clerk's own ban is in the metadata. */
function toInput({ clerk_id, name, role, banned }: MirrorOrder): AuthUserInput {
  return {
    ban_duration: banWithoutEnd,
    app_metadata: { clerk_id, role, banned },
    user_metadata: { clerk_id, full_name: name, role },
  };
}

/** Other people may know a way in that was there before: it is shut again by each update. */
function adoptedInput(order: MirrorOrder): AuthUserInput {
  return { ...toInput(order), ...lockInput() };
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
