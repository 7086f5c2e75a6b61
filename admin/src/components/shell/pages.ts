import type { IconName } from "../icon.tsx";

export type PageLink = { path: string; name: string; icon: IconName /** Pressed after g. */; key: string };

/** The pages of the navigation, in its order. */
export const pageLinks: readonly PageLink[] = [
  { path: "/", name: "Overview", icon: "overview", key: "o" },
  { path: "/jobs", name: "Jobs", icon: "jobs", key: "j" },
  { path: "/dead-letters", name: "Dead letters", icon: "deadLetters", key: "d" },
  { path: "/users", name: "Users", icon: "users", key: "u" },
  { path: "/reconcile", name: "Reconcile", icon: "reconcile", key: "r" },
  { path: "/audit", name: "Audit", icon: "audit", key: "a" },
];
