/** Places on loopback that take alerts: a webhook's receiver and an SMTP server. */
import { createServer as createHttpServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

export interface Posted {
  /** When it was taken, epoch ms. */
  readonly at: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebhookReceiver {
  readonly url: string;
  /** What was answered with 204. */
  readonly taken: readonly Posted[];
  /** How often it was refused. */
  readonly refused: () => number;
  /** From now on everything is answered with 503, or taken again. */
  setAway(isAway: boolean): void;
  close(): Promise<void>;
}

export async function webhookReceiver(): Promise<WebhookReceiver> {
  const taken: Posted[] = [];
  let refused = 0;
  let isAway = false;
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (isAway) refused += 1;
      else {
        const body = Buffer.concat(chunks).toString();
        taken.push({ at: Date.now(), headers: request.headers, body });
      }
      response.writeHead(isAway ? 503 : 204).end();
    });
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/hook`,
    taken,
    refused: () => refused,
    setAway: (away) => (isAway = away),
    close: async () => {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

export interface MailReceiver {
  readonly port: number;
  /** Headers and text of each mail, as they came. */
  readonly mails: readonly string[];
  /** When each was taken, epoch ms. */
  readonly takenAt: readonly number[];
  /** From now on it has no time for anybody, or has it again. */
  setAway(isAway: boolean): void;
  close(): Promise<void>;
}

/** The server's half of SMTP, as far as one mail after the other needs it. Source: RFC 5321. */
export async function mailReceiver(): Promise<MailReceiver> {
  const mails: string[] = [];
  const takenAt: number[] = [];
  const sockets = new Set<Socket>();
  let isAway = false;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    if (isAway) socket.end("421 not now\r\n");
    else
      speak(socket, (mail) => {
        takenAt.push(Date.now());
        mails.push(mail);
      });
  });
  const port = await listen(server);
  return {
    port,
    mails,
    takenAt,
    setAway: (away) => (isAway = away),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    },
  };
}

function speak(socket: Socket, take: (mail: string) => void): void {
  let text = "";
  let isData = false;
  const say = (line: string): void => void socket.write(`${line}\r\n`);
  const step = (): boolean => {
    const end = isData ? "\r\n.\r\n" : "\r\n";
    const at = text.indexOf(end);
    if (at < 0) return false;
    const line = text.slice(0, at);
    text = text.slice(at + end.length);
    if (isData) take(line);
    isData = !isData && line.toUpperCase() === "DATA";
    if (line.toUpperCase() === "QUIT") socket.end("221 bye\r\n");
    else say(isData ? "354 go on" : "250 ok");
    return true;
  };
  say("220 test ESMTP");
  socket.on("data", (chunk) => {
    text += chunk.toString();
    while (step());
  });
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
