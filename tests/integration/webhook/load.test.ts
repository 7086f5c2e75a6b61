import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { userEvent } from "../../support/clerk/build-event.ts";
import { createServerFolder, startServerProcess } from "../../support/processes/server-process.ts";
import { soak } from "../../support/processes/soak.ts";
import { waitFor } from "../../support/processes/wait-for.ts";
import { type Answer, createPoster } from "../../support/webhook/post-on-agent.ts";

const svixTimeout = 15_000;
const megabyte = 1024 * 1024;

let folder: Awaited<ReturnType<typeof createServerFolder>>;
let server: Awaited<ReturnType<typeof startServerProcess>>;
let pool: pg.Pool;
beforeEach(async () => {
  folder = await createServerFolder();
  server = await startServerProcess(folder.path, { PORT: String(folder.port), AUTH_MIRROR: "off", LOG_LEVEL: "error" });
  pool = new pg.Pool({ connectionString: server.settings.databaseUrl });
  pool.on("error", () => undefined);
});
afterEach(async () => {
  await pool?.end();
  await server?.end("SIGTERM");
  await folder?.remove();
});

const count = async (sql: string): Promise<number> => (await pool.query(`select count(*)::int as n ${sql}`)).rows[0].n;

/** The most memory the server ever had, in bytes; null where the system does not tell. */
async function readPeakMemory(): Promise<number | null> {
  const status = await readFile(`/proc/${server.process.pid}/status`, "utf8").catch(() => "");
  const kilobytes = status.match(/VmHWM:\s+(\d+) kB/)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** Sends as Svix does: again on anything but 2xx. Returns every answer. */
async function deliver(poster: ReturnType<typeof createPoster>, event: unknown, id: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let sent = 1; sent <= 100; sent++) {
    const answer = await poster.post(event, id);
    answers.push(answer);
    if (answer.status >= 200 && answer.status < 300) return answers;
    await delay(100);
  }
  throw new Error(`${id} was never accepted`);
}

const slowest = (answers: readonly Answer[]) =>
  answers.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0);

const [users, versions] = [4000 * soak, 5];

it(`${users * versions} events in 50 connections: none is lost, each is answered in time, memory is bounded`, async () => {
  const poster = createPoster(server.settings, 50);
  const answers: Answer[] = [];
  let next = 0;
  const start = performance.now();
  const work = async () => {
    while (next < users * versions) {
      const place = next++;
      const version = Math.floor(place / users) + 1;
      const event = userEvent("user.updated", { id: `user_${place % users}`, version, firstName: `V${version}` });
      answers.push(...(await deliver(poster, event, `msg_${place}`)));
    }
  };
  await Promise.all(Array.from({ length: 50 }, work));
  const seconds = (performance.now() - start) / 1000;
  poster.close();
  await waitFor("an empty queue", async () => (await count("from job_queue where processed_at is null")) === 0);
  const peak = await readPeakMemory();

  const megabytes = peak === null ? "unknown" : Math.round(peak / megabyte);
  console.log(
    `${users * versions} events in ${seconds.toFixed(1)} s, ${answers.length} answers, slowest ${Math.round(slowest(answers))} ms, peak memory ${megabytes} MB`,
  );
  expect(await count("from job_queue")).toBe(users * versions);
  expect(await count("from users where name = 'V5 Lovelace'")).toBe(users);
  expect(slowest(answers)).toBeLessThan(svixTimeout);
  expect(peak ?? 0).toBeLessThan(512 * megabyte);
});

it("while the database stands still, what is too much is refused at once and nobody waits for 15 seconds", async () => {
  const events = 400;
  const poster = createPoster(server.settings, events);
  await poster.post(userEvent("user.created", { id: "user_first", version: 1 }), "msg_first");
  await waitFor("the first job", async () => (await count("from users")) === 1);
  const holder = await pool.connect();
  await holder.query("begin; lock table public.job_queue in access exclusive mode");
  const event = (place: number) => userEvent("user.created", { id: `user_${place}`, version: 1 });
  const answers = await Promise.all(
    Array.from({ length: events }, (_, place) => poster.post(event(place), `msg_${place}`)),
  );
  await holder.query("rollback");
  holder.release();
  const refused = answers.filter((answer) => (answer.body as { code: string }).code === "overloaded");
  console.log(
    `${refused.length} of ${events} refused within ${Math.round(slowest(refused))} ms, the others within ${Math.round(slowest(answers))} ms`,
  );
  expect(refused.length).toBeGreaterThanOrEqual((events - 256) / 2); // on a busy machine the first give up before the last arrive
  expect(new Set(answers.map((answer) => [answer.status, answer.retryAfter].join()))).toEqual(new Set(["503,5"]));
  expect(slowest(answers)).toBeLessThan(svixTimeout);
  expect(slowest(refused)).toBeLessThan(slowest(answers) / 2);

  await Promise.all(answers.map((_, place) => deliver(poster, event(place), `msg_${place}`)));
  poster.close();
  await waitFor("all rows", async () => (await count("from users")) === events + 1);
  expect(await count("from job_queue")).toBe(events + 1);
});

it("hundreds of senders that never finish their request keep nobody else from being answered", async () => {
  const { hostname, port } = new URL(server.settings.url);
  const head = `POST /functions/v1/clerk-webhook HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 1000\r\n\r\n{"half":`;
  const sockets: Socket[] = Array.from({ length: 300 }, () => connect(Number(port), hostname));
  const closed = sockets.map((socket) => once(socket.resume(), "close"));
  for (const socket of sockets) socket.on("error", () => undefined).write(head);
  const poster = createPoster(server.settings, 10);
  const answers = await deliver(poster, userEvent("user.created", { id: "user_patient", version: 1 }), "msg_patient");
  poster.close();
  await Promise.all(closed);
  expect(answers.map((answer) => answer.status)).toEqual([202]);
  expect(server.output()).not.toContain("webhook.failed");
});
