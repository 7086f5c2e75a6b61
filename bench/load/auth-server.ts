import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { answerQuestions, type Program, startProgram } from "./program.ts";

type AuthServerApi = { port: (argument: null) => Promise<number> };

/** Starts a Supabase Auth that answers every request after so many milliseconds, in a process of its own: this file. */
export async function startAuthServer(milliseconds: number): Promise<Program<AuthServerApi> & { url: string }> {
  const program = startProgram<AuthServerApi>(import.meta.filename, [String(milliseconds)]);
  return { ...program, url: `http://127.0.0.1:${await program.ask("port", null)}` };
}

/** Every user is as it was sent. */
function serveAuth(milliseconds: number): AuthServerApi {
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const user = body === "" ? {} : JSON.parse(body);
      const id = user.id ?? request.url?.split("/").at(-1);
      setTimeout(() => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ ...user, id }));
      }, milliseconds);
    });
  }).listen(0, "127.0.0.1");
  const listening = once(server, "listening");
  return {
    port: async () => {
      await listening;
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    },
  };
}

if (import.meta.main) answerQuestions(serveAuth(Number(process.argv[2])));
