/** A client of the live stream on a real socket, for tests: what it was told, in order. */
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { createGunzip } from "node:zlib";
import type { Readable } from "node:stream";

export interface Told {
  readonly id: string;
  readonly event: string;
  // Tests look into what was told.
  // eslint-disable-next-line typescript/no-explicit-any
  readonly data: any;
}

export interface Listener {
  readonly response: IncomingMessage;
  readonly told: Told[];
  readonly comments: string[];
  of(event: string): Told[];
  /** Takes nothing more, as a client that hangs. */
  pause(): void;
  resume(): void;
  close(): void;
}

export async function listen(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Listener> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers, agent: false }, resolve).once("error", reject);
  });
  const told: Told[] = [];
  const comments: string[] = [];
  const isGzip = response.headers["content-encoding"] === "gzip";
  const text: Readable = isGzip ? response.pipe(createGunzip()) : response;
  let rest = "";
  // A stream that is cut off ends within a piece.
  text.on("error", () => undefined);
  response.on("error", () => undefined);
  text.on("data", (chunk: Buffer) => {
    const blocks = (rest + chunk.toString()).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      if (block.startsWith(":")) comments.push(block);
      else told.push(parse(block));
    }
  });
  return {
    response,
    told,
    comments,
    of: (event) => told.filter((one) => one.event === event),
    pause: () => void text.pause(),
    resume: () => void text.resume(),
    close: () => void response.destroy(),
  };
}

function parse(block: string): Told {
  const field = (name: string): string =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? "";
  return { id: field("id"), event: field("event"), data: JSON.parse(field("data") || "{}") };
}
