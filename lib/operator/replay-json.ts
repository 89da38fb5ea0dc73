/** A message of the streams as one JSON object, for scripts. */
import { redact, redactDeep } from "../core/redact.ts";
import { formatTime } from "../core/time.ts";
import type { MergedMessage } from "./stream-feed.ts";

/** One line, redacted: `data` is the body, or null with the body as `text` or `base64`. */
export function messageJson(message: MergedMessage): string {
  const { stream, seq, time, subject, runner, type, data, headers } = message;
  return JSON.stringify({
    stream,
    seq,
    time: formatTime(time),
    subject,
    runner: runner ?? null,
    type,
    ...bodyOf(data),
    ...(headers === undefined ? {} : { headers: redactDeep(Object.fromEntries(headers)) }),
  });
}

function bodyOf(data: Uint8Array): object {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return { data: null, base64: Buffer.from(data).toString("base64") };
  }
  try {
    return { data: redactDeep(JSON.parse(text)) };
  } catch {
    return { data: null, text: redact(text) };
  }
}
