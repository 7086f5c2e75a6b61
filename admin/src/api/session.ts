import { useSyncExternalStore } from "react";
import type { Caller } from "#core/admin/contract/overview.ts";

/** Who is signed in, and where. It lives as long as the tab; the secret key is never part of it. */
export type Session = { apiUrl: string; token: string; caller: Caller };
export type SessionState = { session: Session | null /** Why one has to sign in again. */; notice: string | null };

const key = "clerk-sync-admin.session";
const listeners = new Set<() => void>();
let state: SessionState = { session: readStored(), notice: null };

export function useSessionState(): SessionState {
  return useSyncExternalStore(subscribe, () => state);
}

/** For what is only shown to who is signed in. */
export function useSession(): Session {
  const { session } = useSessionState();
  if (session === null) throw new Error("Nobody is signed in.");
  return session;
}

export function startSession(session: Session): void {
  sessionStorage.setItem(key, JSON.stringify(session));
  change({ session, notice: null });
}

/** The page asks to sign in again, at the address where one is. */
export function endSession(notice: string | null = null): void {
  sessionStorage.removeItem(key);
  change({ session: null, notice });
}

function change(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function readStored(): Session | null {
  const text = globalThis.sessionStorage?.getItem(key);
  if (!text) return null;
  try {
    return JSON.parse(text) as Session;
  } catch {
    return null; // not written by this version: sign in again
  }
}
