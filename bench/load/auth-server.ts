import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { answerQuestions } from "./program.ts";
import type { AuthServerApi } from "./start-auth-server.ts";

// Supabase Auth as a process of its own that takes its time: every user is as it was sent, after so many milliseconds.
const milliseconds = Number(process.argv[2]);
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

answerQuestions({
  port: async () => {
    await listening;
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  },
} satisfies AuthServerApi);
