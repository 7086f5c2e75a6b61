import type {
  AuthAdmin,
  AuthAnswer,
  AuthUserInput,
} from "../../../supabase/functions/_shared/clerk-sync/mirror/auth-admin.ts";

export type StoredAuthUser = {
  id: string;
  email: string;
  phone: string;
  app_metadata: Record<string, unknown>;
  user_metadata: Record<string, unknown>;
  banned: boolean;
  role: string;
  email_confirmed_at: string | null;
  banned_until: string | null;
  last_sign_in_at: string | null;
};
export type AuthCall = { method: keyof AuthAdmin; id?: string; input?: AuthUserInput };

/**
 * Supabase Auth in memory, with the answers of the real one as seen without the version header:
 * 422 for a taken email on create, 500 with SQLSTATE 23505 for a taken id and for a taken email on update.
 */
export function createFakeAuthAdmin(existing: readonly Partial<StoredAuthUser>[] = []) {
  const users = new Map<string, StoredAuthUser>();
  for (const user of existing) add(users, user);
  const calls: AuthCall[] = [];
  const deadlines: AbortSignal[] = [];
  const auth: AuthAdmin = {
    createUser: async (input) => {
      calls.push({ method: "createUser", input });
      return createUser(users, input);
    },
    getUser: async (id) => {
      calls.push({ method: "getUser", id });
      return answer(users.get(id));
    },
    updateUser: async (id, input) => {
      calls.push({ method: "updateUser", id, input });
      return updateUser(users, id, input);
    },
    deleteUser: async (id) => {
      calls.push({ method: "deleteUser", id });
      const found = answer(users.get(id));
      users.delete(id);
      return found;
    },
    removeFactors: async (id) => {
      calls.push({ method: "removeFactors", id });
    },
    isEmailTaken: async (email) => {
      calls.push({ method: "isEmailTaken" });
      return isHeld(users, "", "email", email.toLowerCase());
    },
    findUsers: async (emailPart) => {
      calls.push({ method: "findUsers" });
      const like = likePattern(emailPart);
      return [...users.values()].reverse().filter((user) => like.test(user.email));
    },
    listUsers: async (page, perPage) => {
      calls.push({ method: "listUsers" });
      return [...users.values()].slice((page - 1) * perPage, page * perPage);
    },
    until: (signal) => {
      deadlines.push(signal);
      return auth;
    },
  };
  return { auth, users, calls, deadlines };
}

const times = { role: "authenticated", email_confirmed_at: null, banned_until: null, last_sign_in_at: null };

function add(users: Map<string, StoredAuthUser>, user: Partial<StoredAuthUser>): StoredAuthUser {
  const id = user.id ?? crypto.randomUUID();
  const stored = { email: "", phone: "", app_metadata: {}, user_metadata: {}, banned: false, ...times, ...user, id };
  users.set(id, stored);
  return stored;
}

function createUser(users: Map<string, StoredAuthUser>, input: AuthUserInput): AuthAnswer {
  if (input.email === undefined && input.phone === undefined) return refusal(400, "validation_failed");
  if (input.email !== undefined && !/^[!-~]+@[!-~]+$/.test(input.email)) return refusal(400, "validation_failed");
  const wanted = normalise(input);
  if (isHeld(users, "", "email", wanted.email)) return refusal(422, "email_exists");
  if (isHeld(users, "", "phone", wanted.phone)) return refusal(422, "phone_exists");
  if (input.id !== undefined && users.has(input.id)) return refusal(500, "23505");
  const created = add(users, { ...(input.id === undefined ? {} : { id: input.id }), ...wanted });
  return answer(write(created, input));
}

function updateUser(users: Map<string, StoredAuthUser>, id: string, input: AuthUserInput): AuthAnswer {
  const user = users.get(id);
  if (user === undefined) return refusal(404, "user_not_found");
  if (input.email !== undefined && !/^[!-~]+@[!-~]+$/.test(input.email)) return refusal(400, "validation_failed");
  const wanted = normalise(input);
  if (isHeld(users, id, "email", wanted.email) || isHeld(users, id, "phone", wanted.phone))
    return refusal(500, "23505");
  user.email = wanted.email || user.email;
  user.phone = wanted.phone || user.phone;
  return answer(write(user, input));
}

/** Metadata merges at its top level, and null takes a key out. */
function write(user: StoredAuthUser, input: AuthUserInput): StoredAuthUser {
  user.app_metadata = merge(user.app_metadata, input.app_metadata ?? {});
  user.user_metadata = merge(user.user_metadata, input.user_metadata ?? {});
  if (input.ban_duration !== undefined) {
    user.banned = input.ban_duration !== "none";
    user.banned_until = user.banned ? "2126-01-01T00:00:00Z" : null;
  }
  user.role = input.role ?? user.role;
  if (input.email_confirm) user.email_confirmed_at = "2026-01-01T00:00:00Z";
  return user;
}

function merge(old: Record<string, unknown>, given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...old, ...given }).filter(([, value]) => value !== null));
}

function normalise(input: AuthUserInput): { email: string; phone: string } {
  return { email: (input.email ?? "").toLowerCase(), phone: (input.phone ?? "").replace(/^\+/, "") };
}

function isHeld(users: Map<string, StoredAuthUser>, ownId: string, key: "email" | "phone", value: string): boolean {
  return value !== "" && [...users.values()].some((user) => user.id !== ownId && user[key] === value);
}

/** The Auth server filters by LIKE and does not escape its wildcards. */
function likePattern(text: string): RegExp {
  const escaped = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(escaped.replaceAll("_", ".").replaceAll("%", ".*"));
}

function answer(user: StoredAuthUser | undefined): AuthAnswer {
  return user === undefined ? refusal(404, "user_not_found") : { ok: true, user };
}

function refusal(status: number, code: string): AuthAnswer {
  return { ok: false, status, code };
}
