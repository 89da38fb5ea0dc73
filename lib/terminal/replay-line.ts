/** One message of the streams as one line: time, runner, what it is, what it says. */
import { decodeEvent } from "../core/event.ts";
import { eventText } from "../core/event-text.ts";
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import type { Heartbeat } from "../core/heartbeat.ts";
import { parseRejection, parseResolution } from "../core/quarantine.ts";
import { redact, redactDeep } from "../core/redact.ts";
import { STATUSES } from "../core/status.ts";
import type { JsonObject } from "../core/heartbeat.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { StreamKey } from "../core/subject.ts";
import { paint, statusText } from "./style.ts";
import type { Colour, TerminalLooks } from "./style.ts";
import { fit, harmless } from "./table.ts";
import textWidth from "fast-string-width";

/** What a line is made of. */
export interface ShownMessage {
  readonly key: StreamKey;
  readonly seq: number;
  /** Epoch ms. */
  readonly time: number;
  readonly subject: string;
  readonly runner: RunnerId | undefined;
  readonly type: string;
  readonly data: Uint8Array;
  readonly headers: { get(name: string): string } | undefined;
}

const MAX_RUNNER_COLUMNS = 40;
const MIN_RUNNER_COLUMNS = 22;
const MAX_TEXT_CHARS = 2_000;

/** What a message says, and whether it is good news. */
interface Said {
  readonly text: string;
  readonly colour: Colour | undefined;
}

interface Mark {
  readonly glyph: string;
  readonly ascii: string;
  readonly colour: Colour;
}

const MARKS: Record<StreamKey, Mark> = {
  heartbeats: { glyph: "·", ascii: ".", colour: "dim" },
  snapshots: { glyph: "◇", ascii: "o", colour: "dim" },
  events: { glyph: "■", ascii: "#", colour: "cyan" },
  alerts: { glyph: "▲", ascii: "!", colour: "yellow" },
  quarantine: { glyph: "✖", ascii: "X", colour: "red" },
};

const BAD_EVENTS = new Set([
  "process_lost",
  "restart_exhausted",
  "restart_denied",
  "limit_exceeded",
  "camera_offline",
  "check_failed",
]);
const UNEASY_EVENTS = new Set(["restart_scheduled", "camera_degraded", "throttle_started"]);

/** Writes lines whose columns stand under each other; they widen where a longer name comes. */
export class ReplayLines {
  readonly #looks: TerminalLooks;
  readonly #showsPlace: boolean;
  #runnerColumns = MIN_RUNNER_COLUMNS;
  #day = "";

  /** @param showsPlace also the stream and the sequence. */
  constructor(looks: TerminalLooks, showsPlace: boolean) {
    this.#looks = looks;
    this.#showsPlace = showsPlace;
  }

  /** One line, or two where a new day (in UTC) begins with it. */
  lines(message: ShownMessage): string[] {
    const line = fit(this.#line(message), this.#looks.width, this.#looks);
    const day = new Date(message.time).toISOString().slice(0, 10);
    if (day === this.#day) return [line];
    this.#day = day;
    const dash = this.#looks.unicode ? "──" : "--";
    return [paint(`${dash} ${day} (UTC) ${dash}`, "bold", this.#looks), line];
  }

  #line(message: ShownMessage): string {
    const looks = this.#looks;
    const { glyph, ascii, colour } = MARKS[message.key];
    const said = saidBy(message, looks);
    const name = message.runner ?? "-";
    this.#runnerColumns = Math.min(
      MAX_RUNNER_COLUMNS,
      Math.max(this.#runnerColumns, textWidth(name)),
    );
    const text = withStatuses(message, harmless(said.text).slice(0, MAX_TEXT_CHARS), looks);
    const time = new Date(message.time).toISOString().slice(11, 23);
    const place = this.#showsPlace ? [padded(`${message.key}:${message.seq}`, 18, looks)] : [];
    const mark = looks.unicode ? glyph : ascii;
    const isBeat = message.key === "heartbeats" || message.key === "snapshots";
    // Most lines are heartbeats: a word would only say again what its mark says.
    const head = isBeat ? mark : `${mark} ${harmless(message.type)} `;
    const isDim = isBeat && said.colour === undefined;
    return [
      paint(time, "dim", looks),
      ...place.map((text) => paint(text, "dim", looks)),
      padded(name, this.#runnerColumns, looks),
      `${paint(head, said.colour ?? colour, looks)} ${isDim ? paint(text, "dim", looks) : text}`,
    ]
      .join("  ")
      .trimEnd();
  }
}

function padded(text: string, width: number, looks: TerminalLooks): string {
  const fitted = fit(text, width, looks);
  return fitted + " ".repeat(Math.max(0, width - textWidth(fitted)));
}

/** The names of statuses in the colours that they have everywhere. */
function withStatuses({ type }: ShownMessage, text: string, looks: TerminalLooks): string {
  if (type !== "status_changed") return text;
  return text
    .split(" ")
    .map((word) => {
      const status = STATUSES.find((known) => known === word);
      return status === undefined ? word : statusText(status, looks);
    })
    .join(" ");
}

function saidBy(message: ShownMessage, looks: TerminalLooks): Said {
  switch (message.key) {
    case "heartbeats":
    case "snapshots":
      return heartbeatSaid(message, looks);
    case "events":
      return eventSaid(message);
    case "alerts":
      return alertSaid(message);
    case "quarantine":
      return quarantineSaid(message);
  }
}

function heartbeatSaid({ key, runner, data, subject }: ShownMessage, looks: TerminalLooks): Said {
  if (runner === undefined) return { text: `bad_subject: ${subject}`, colour: "red" };
  const body = key === "snapshots" ? withoutPlace(data) : data;
  const decoded = decodeHeartbeat(runner, body);
  if (!decoded.ok) {
    const { reason, message } = decoded.rejection;
    return { text: `${reason}: ${redact(message)}`, colour: "red" };
  }
  const { heartbeat } = decoded;
  const colour = heartbeat.lastError !== "" ? "red" : colourOf(heartbeat);
  return { text: heartbeatText(heartbeat, looks), colour };
}

/** A snapshot's body is a heartbeat's with the time and sequence that it had. */
function withoutPlace(data: Uint8Array): Uint8Array {
  try {
    const { ts: _, heartbeat_seq: _seq, ...rest } = JSON.parse(textOf(data)) as JsonObject;
    return Buffer.from(JSON.stringify(rest));
  } catch {
    return data;
  }
}

function colourOf({ health, cameraState }: Heartbeat): Colour | undefined {
  if (health === "unhealthy" || cameraState === "offline") return "red";
  const isUneasy = health === "degraded" || (cameraState ?? "healthy") !== "healthy";
  return isUneasy ? "yellow" : undefined;
}

function heartbeatText(beat: Heartbeat, looks: TerminalLooks): string {
  const figures: [string, number | null][] = [
    ["fps", beat.fps],
    ["detected", beat.detected],
    ["matched", beat.matched],
  ];
  const parts = [
    `${beat.host}:${beat.pid}${beat.seq === null ? "" : ` #${beat.seq}`}`,
    ...(beat.health === null || beat.health === "healthy" ? [] : [beat.health]),
    ...((beat.cameraState ?? "healthy") === "healthy" ? [] : [`camera ${beat.cameraState}`]),
    ...figures.flatMap(([name, value]) => (value === null ? [] : [`${rounded(value)} ${name}`])),
    ...(beat.latencyMs === null ? [] : [`${rounded(beat.latencyMs)} ms`]),
  ];
  const error = beat.lastError === "" ? "" : `${looks.unicode ? " — " : " - "}${beat.lastError}`;
  return redact(parts.join(", ") + error);
}

function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function eventSaid({ type, data }: ShownMessage): Said {
  const decoded = decodeEvent(type, data);
  if (!decoded.ok) {
    const { reason, message } = decoded.rejection;
    return { text: `${reason}: ${redact(message)}`, colour: "red" };
  }
  const shown = redactDeep(decoded.event.data) as JsonObject;
  const isFailure = type === "process_exited" && shown["exit_code"] !== 0;
  const colour = BAD_EVENTS.has(type) || isFailure ? "red" : undefined;
  return { text: eventText(type, shown), colour: colour ?? uneasy(type) };
}

function uneasy(type: string): Colour | undefined {
  return UNEASY_EVENTS.has(type) ? "yellow" : undefined;
}

function alertSaid({ type, data, subject }: ShownMessage): Said {
  const severity = subject.split(".").at(-2);
  const colour = severity === "critical" ? "red" : undefined;
  try {
    const body = redactDeep(JSON.parse(textOf(data))) as JsonObject;
    const { v: _, at: _at, by: _by, ...rest } = body;
    const text = titleOf(rest) ?? eventText(type, rest);
    return { text, colour };
  } catch {
    return { text: redact(textOf(data)), colour };
  }
}

/** `raised: …` of an alert; the text alone of a summary. */
function titleOf({ action, title, text }: JsonObject): string | undefined {
  if (typeof title === "string" && typeof action === "string") return `${action}: ${title}`;
  return typeof text === "string" ? text : undefined;
}

function quarantineSaid({ data, headers, type }: ShownMessage): Said {
  if (type === "resolved") {
    const resolved = parseResolution(data);
    if (resolved === undefined) return { text: "", colour: undefined };
    return { text: `${resolved.seq} ${resolved.action} by ${resolved.by}`, colour: "green" };
  }
  const rejected = parseRejection({ headers, data });
  if (rejected === undefined) return { text: "", colour: undefined };
  const { subject, sourceStream, sourceSeq, message } = rejected;
  return { text: redact(`${subject} (${sourceStream} ${sourceSeq}): ${message}`), colour: "red" };
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
}
