/** What happened to a runner, an event a line, newest last. */
import { secondsText, spanText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { Fact, Tone } from "./explanation.ts";
import type { JsonObject } from "./heartbeat.ts";
import type { TimelineView } from "./read-models.ts";

const TONES: Readonly<Record<string, Tone>> = {
  process_exited: "bad",
  process_lost: "bad",
  restart_scheduled: "warn",
  restart_exhausted: "bad",
  restart_denied: "bad",
  limit_exceeded: "bad",
  camera_degraded: "warn",
  camera_offline: "bad",
  camera_online: "good",
  check_failed: "bad",
  check_recovered: "good",
  throttle_started: "warn",
};

export function eventFact(event: TimelineView, stream: string): Fact {
  const data = dataOf(event);
  const evidence = { stream, seq: event.stream_seq, time: event.time };
  return fact(`${eventText(event.type, data)} (${event.by})`, TONES[event.type], evidence);
}

/** An event's own fields. */
export function dataOf({ data }: Pick<TimelineView, "data">): JsonObject {
  return data === null ? {} : (JSON.parse(data) as JsonObject);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function because(data: JsonObject, name = "reason"): string {
  const why = text(data[name]);
  return why === "" ? "" : `: ${why}`;
}

function process(data: JsonObject): string {
  return `pid ${number(data["pid"])} on ${text(data["host"]) || "an unknown host"}`;
}

type Describe = (data: JsonObject) => string;

const TEXTS: Readonly<Record<string, Describe>> = {
  worker_registered: (data) => `registered by ${text(data["host"]) || "an unknown host"}`,
  process_spawned: (data) => {
    const attempt = number(data["attempt"]);
    return `${process(data)} was started${attempt > 0 ? `, restart ${attempt} in a row` : ""}`;
  },
  process_adopted: (data) => `${process(data)} was taken over alive`,
  process_stopping: (data) => `${process(data)} was asked to end${because(data)}`,
  process_exited: exited,
  process_lost: (data) => `${process(data)} is gone, and nobody saw how it ended${because(data)}`,
  restart_scheduled: (data) =>
    `restart ${number(data["attempt"])} was planned in ${secondsText(number(data["delay_sec"]))}${because(data)}`,
  restart_exhausted: (data) =>
    `restarts in a row were used up (${number(data["attempt"])}), no other before ${text(data["cooldown_until"])}${because(data)}`,
  restart_denied: (data) => `no restart${because(data, "why")}`,
  restart_reset: (data) => `its failures were forgotten${because(data)}`,
  limit_exceeded: (data) =>
    `${text(data["limit"])} was at ${number(data["value"])}, above its limit ${number(data["max"])}, for ${secondsText(number(data["for_sec"]))}`,
  status_changed: (data) =>
    `status went from ${text(data["from"])} to ${text(data["to"])} (${text(data["cause"])})`,
  camera_degraded: (data) => `the camera was degraded${because(data)}`,
  camera_offline: (data) => `the camera was given up${because(data)}`,
  camera_online: () => "the camera was good again",
  throttle_started: (data) => `throttling began${because(data)}`,
  throttle_stopped: (data) => `throttling ended${because(data)}`,
  check_failed: (data) => `check ${text(data["check"])} failed${because(data, "message")}`,
  check_recovered: (data) => `check ${text(data["check"])} recovered${because(data, "message")}`,
  runner_paused: (data) => `paused by an operator${because(data)}`,
  runner_resumed: (data) => `resumed by an operator${because(data)}`,
  runner_restart_requested: (data) => `an operator asked for a restart${because(data)}`,
  runner_retired: (data) => `retired${because(data)}`,
  enforcer_started: (data) => `the enforcer ${process(data)} started`,
  enforcer_stopped: (data) => `the enforcer ${process(data)} stopped`,
};

function exited(data: JsonObject): string {
  const signal = text(data["signal"]);
  const how =
    signal === "" ? `exited with code ${String(data["exit_code"])}` : `ended by ${signal}`;
  const ran = spanText(number(data["ran_sec"]) * 1_000);
  const tail = Array.isArray(data["stderr"]) ? (data["stderr"] as unknown[]) : [];
  const last = tail.findLast((line) => text(line).trim() !== "");
  const said = last === undefined ? "" : `; it wrote last: ${text(last)}`;
  return `${process(data)} ${how} after ${ran}${said}`;
}

/** A type of a newer version is shown by its name. */
function eventText(type: string, data: JsonObject): string {
  return TEXTS[type]?.(data) ?? type;
}
