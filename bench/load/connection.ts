import { once } from "node:events";
import { connect } from "node:net";

/** A connection that is kept open and carries one request at a time. */
export type Connection = {
  /** Sends a whole request; answers the status. */
  send: (request: Buffer) => Promise<number>;
  close: () => void;
};

type Waiting = { resolve: (status: number) => void; reject: (error: Error) => void };

/** Opens one to this machine. It does just what HTTP needs, so that the sender is not what is measured. */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let waiting: Waiting | null = null;
  let received = "";
  const end = (error: Error) => {
    waiting?.reject(error);
    waiting = null;
  };
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
    const status = readStatus(received);
    if (status === null) return;
    received = "";
    const { resolve } = waiting ?? { resolve: () => undefined };
    waiting = null;
    resolve(status);
  });
  socket.on("error", end).on("close", () => end(new Error("the server closed the connection")));
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

/** The status of an answer; null while it is not whole. */
function readStatus(text: string): number | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const head = text.slice(0, headEnd).toLowerCase();
  const length = head.match(/\r\ncontent-length: (\d+)/)?.[1];
  const isWhole = length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= headEnd + 4 + Number(length);
  return isWhole ? Number(head.slice(9, 12)) : null;
}
