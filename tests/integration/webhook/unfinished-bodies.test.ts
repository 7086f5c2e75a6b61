import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createServerFolder, startServerProcess } from "../../support/processes/server-process.ts";
import { postEvent } from "../../support/webhook/post-event.ts";

let folder: Awaited<ReturnType<typeof createServerFolder>>;
let server: Awaited<ReturnType<typeof startServerProcess>>;
const sockets: Socket[] = [];
beforeEach(async () => {
  folder = await createServerFolder();
  const env = { PORT: String(folder.port), AUTH_MIRROR: "off", LOG_LEVEL: "error" };
  server = await startServerProcess(folder.path, env);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.end("SIGTERM");
  await folder?.remove();
});

/** Announces a body and sends so many bytes of it. */
async function begin(announced: number, sent: number): Promise<Socket> {
  const socket = connect(folder.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  sockets.push(socket);
  await once(socket, "connect");
  socket.write(
    `POST /functions/v1/clerk-webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${announced}\r\n\r\n`,
  );
  socket.write(Buffer.alloc(sent, 120));
  return socket;
}

it("unfinished bodies of 160 connections take nothing from the events that Clerk sends", async () => {
  const half = 512 * 1024;
  await Promise.all(Array.from({ length: 136 }, () => begin(half, half - 1)));
  const dribblers = await Promise.all(Array.from({ length: 24 }, () => begin(half, 1024)));
  await delay(500); // what was written arrives
  const statuses: number[] = [];
  for (let user = 0; user < 100; user++) {
    for (const socket of dribblers) socket.write("x");
    const { status } = await postEvent(server.settings, userEvent("user.created", { id: `user_${user}`, version: 1 }));
    statuses.push(status);
  }
  expect(statuses.filter((status) => status !== 202)).toEqual([]);
});
