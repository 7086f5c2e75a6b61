import { type Program, startProgram } from "./program.ts";

export type ClerkApi = { start: (instance: { users: number }) => Promise<{ url: string; secretKey: string }> };

export function startClerk(): Program<ClerkApi> {
  return startProgram<ClerkApi>(new URL("./clerk-server.ts", import.meta.url));
}
