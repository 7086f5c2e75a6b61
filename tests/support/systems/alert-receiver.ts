import { createServer, type IncomingHttpHeaders } from "node:http";

export type Received = { path: string; headers: IncomingHttpHeaders; body: Record<string, unknown>; text: string };

export type AlertReceiver = {
  url: string;
  received: Received[];
  /** What the next requests to this path are answered with, in turn; 200 when nothing is left. */
  answerNext: (path: string, ...answers: { status: number; headers?: Record<string, string> }[]) => void;
  stop: () => Promise<void>;
};

/** Takes notices as Slack or a webhook of somebody's would, over real HTTP. */
export async function startAlertReceiver(): Promise<AlertReceiver> {
  const received: Received[] = [];
  const answers = new Map<string, { status: number; headers?: Record<string, string> }[]>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString("utf8");
    const path = request.url ?? "";
    received.push({ path, headers: request.headers, body: JSON.parse(text), text });
    const answer = answers.get(path)?.shift() ?? { status: 200 };
    response.writeHead(answer.status, answer.headers).end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    received,
    answerNext: (path, ...next) => void answers.set(path, next),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
