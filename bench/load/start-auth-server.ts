import { type Program, startProgram } from "./program.ts";

export type AuthServerApi = { port: (argument: null) => Promise<number> };

/** Starts a Supabase Auth that answers every request after so many milliseconds. */
export async function startAuthServer(milliseconds: number): Promise<Program<AuthServerApi> & { url: string }> {
  const file = new URL("./auth-server.ts", import.meta.url);
  const program = startProgram<AuthServerApi>(file, [String(milliseconds)]);
  return { ...program, url: `http://127.0.0.1:${await program.ask("port", null)}` };
}
