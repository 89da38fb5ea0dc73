/** When a message was stored. Whoever reads a stream takes its times from here. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/transport-node";
import { IMPORTED_TIME_HEADER, clockOf, importedTime } from "../core/imported-stream.ts";

/**
 * When the message of a sequence was stored, epoch ms; undefined where the stream has none.
 * @param info the stream, as the server described it.
 */
export async function timeOfSeq(
  jsm: JetStreamManager,
  info: Pick<StreamInfo, "config">,
  seq: number,
): Promise<number | undefined> {
  const message = await jsm.streams.getMessage(info.config.name, { seq });
  if (message === null) return undefined;
  return clockOf(info.config)(Math.floor(message.time.getTime()), message.header);
}

/** What the client keeps of a message's bytes; see the ordered reader. */
interface RawHeaders {
  readonly _msg?: { readonly hdr?: number };
  readonly _rdata?: Uint8Array;
}

const FIRST_LINE = Buffer.from(`NATS/1.0\r\n${IMPORTED_TIME_HEADER}: `);
const ZERO = 48;
const NINE = 57;

/**
 * The time of an imported stream's message as it was delivered, epoch ms. An import writes its
 * header first, where it is read without decoding any: that would be most of the work.
 */
export function deliveredTime(message: Msg & RawHeaders, storedMs: number): number {
  const { _msg, _rdata: bytes } = message;
  const length = _msg?.hdr ?? 0;
  if (bytes === undefined || length <= FIRST_LINE.length || !startsWith(bytes, FIRST_LINE)) {
    return importedTime(storedMs, message.headers);
  }
  let time = 0;
  for (let at = FIRST_LINE.length; at < length; at++) {
    const code = bytes[at] ?? 0;
    if (code < ZERO || code > NINE) break;
    time = time * 10 + (code - ZERO);
  }
  return time;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  for (let at = 0; at < start.length; at++) if (bytes[at] !== start[at]) return false;
  return true;
}
