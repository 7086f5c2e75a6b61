import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";
import type { AuthAnswer, AuthUserInput } from "#core/mirror/auth-admin.ts";
import { createFakeAuthAdmin } from "./fake-auth-admin.ts";

const inputSchema = z.looseObject({
  id: z.string().optional(),
  app_metadata: z.looseObject({ clerk_id: z.string() }),
  user_metadata: z.looseObject({ full_name: z.string() }),
});

/** What the server saw of one user, in order, and how many requests for it were in hand at once at most. */
export type SeenUser = { names: string[]; inHand: number; most: number };

/**
 * Supabase Auth over real HTTP that takes its time: a request for a user in `held` is answered when `release` is
 * called, any other at the next turn of the event loop.
 */
export async function startSlowAuthServer(held: ReadonlySet<string> = new Set()) {
  const { auth, users } = createFakeAuthAdmin();
  const seen = new Map<string, SeenUser>();
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const answer = async (request: IncomingMessage): Promise<AuthAnswer> => {
    const id = request.url?.split("/").at(-1) ?? "";
    if (request.method === "GET") return auth.getUser(id);
    const input = inputSchema.parse(JSON.parse(await text(request)));
    const clerkId = input.app_metadata.clerk_id;
    const user = see(seen, clerkId, input.user_metadata.full_name);
    await (held.has(clerkId) ? released : new Promise((resolve) => setImmediate(resolve)));
    user.inHand -= 1;
    return request.method === "POST"
      ? auth.createUser(input as AuthUserInput)
      : auth.updateUser(id, input as AuthUserInput);
  };
  const server = createServer((request, response) => {
    void answer(request).then((result) => {
      response.writeHead(result.ok ? 200 : result.status, { "content-type": "application/json" });
      response.end(JSON.stringify(result.ok ? result.user : { error_code: result.code }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    users,
    release: () => release(),
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function see(seen: Map<string, SeenUser>, clerkId: string, name: string): SeenUser {
  const user = seen.get(clerkId) ?? { names: [], inHand: 0, most: 0 };
  seen.set(clerkId, user);
  user.names.push(name);
  user.inHand += 1;
  user.most = Math.max(user.most, user.inHand);
  return user;
}
