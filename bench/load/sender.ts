import { setTimeout as delay } from "node:timers/promises";
import { type Connection, openConnection } from "./connection.ts";
import { type Events, makeRequests, type SignedRequest } from "./payload.ts";
import { answerQuestions } from "./program.ts";
import type { SenderApi, Sent } from "./start-sender.ts";

// The load: node bench/load/sender.ts, in a process of its own.
let prepared: SignedRequest[] = [];
const accepted = new Set([200, 202]);

async function prepare(events: Events): Promise<void> {
  prepared = makeRequests(events);
}

async function sendOne(connection: Connection, request: SignedRequest): Promise<void> {
  const status = await connection.send(request.bytes);
  if (!accepted.has(status)) throw new Error(`a request was answered ${status}`);
}

/** Each connection sends its next request as soon as the last one is answered. */
async function sendClosed({ ports, connections, seconds }: Parameters<SenderApi["closed"]>[0]): Promise<Sent> {
  const open = await Promise.all(
    Array.from({ length: connections }, (_, place) => openConnection(ports[place % ports.length] ?? 0)),
  );
  const left = prepared.values();
  const milliseconds: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const work = async (connection: Connection) => {
    for (const request of left) {
      const begun = performance.now();
      await sendOne(connection, request);
      milliseconds.push(performance.now() - begun);
      if (performance.now() >= end) break;
    }
  };
  await Promise.all(open.map(work)).finally(() => open.forEach((connection) => void connection.close()));
  return { seconds: (performance.now() - start) / 1000, milliseconds };
}

/** Sends at a steady rate, whatever is answered; says when each user's event was sent, in Unix milliseconds. */
async function sendOpen({ port, perSecond }: Parameters<SenderApi["open"]>[0]): Promise<[string, number][]> {
  const idle: Connection[] = [];
  const sent: [string, number][] = [];
  const answers: Promise<void>[] = [];
  const start = performance.now();
  for (const [place, request] of prepared.entries()) {
    const wait = start + (place * 1000) / perSecond - performance.now();
    if (wait > 0) await delay(wait);
    const connection = idle.pop() ?? (await openConnection(port));
    sent.push([request.user, performance.timeOrigin + performance.now()]);
    answers.push(sendOne(connection, request).then(() => void idle.push(connection)));
  }
  await Promise.all(answers);
  for (const connection of idle) connection.close();
  return sent;
}

answerQuestions({ prepare, closed: sendClosed, open: sendOpen } satisfies SenderApi);
