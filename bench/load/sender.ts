import { setTimeout as delay } from "node:timers/promises";
import { type Connection, openConnection } from "./connection.ts";
import { type Events, makeRequests, type SignedRequest } from "./payload.ts";
import { answerQuestions, type Program, startProgram } from "./program.ts";

export type Sent = { seconds: number; milliseconds: number[] };

/** What the sender can be asked. */
type SenderApi = {
  /** Builds and signs the requests of the next sending; they are good for five minutes. */
  prepare: (events: Events) => Promise<void>;
  /** For so many seconds, over so many connections spread over the ports. */
  closed: (load: { ports: number[]; connections: number; seconds: number }) => Promise<Sent>;
  open: (load: { port: number; perSecond: number }) => Promise<[string, number][]>;
};

export type Sender = Program<SenderApi>;

/** Starts what sends the load, in a process of its own: this file. */
export function startSender(): Sender {
  return startProgram<SenderApi>(import.meta.filename);
}

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

if (import.meta.main) answerQuestions({ prepare, closed: sendClosed, open: sendOpen } satisfies SenderApi);
