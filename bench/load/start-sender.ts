import type { Events } from "./payload.ts";
import { type Program, startProgram } from "./program.ts";

export type Sent = { seconds: number; milliseconds: number[] };

/** What the sender can be asked. */
export type SenderApi = {
  /** Builds and signs the requests of the next sending; they are good for five minutes. */
  prepare: (events: Events) => Promise<void>;
  /** For so many seconds, over so many connections spread over the ports. */
  closed: (load: { ports: number[]; connections: number; seconds: number }) => Promise<Sent>;
  open: (load: { port: number; perSecond: number }) => Promise<[string, number][]>;
};

export type Sender = Program<SenderApi>;

export function startSender(): Sender {
  return startProgram<SenderApi>(new URL("./sender.ts", import.meta.url));
}
