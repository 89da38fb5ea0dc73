/** What an event says, in one line for people. */
import type { JsonObject } from "./heartbeat.ts";
import { MAX_EPOCH_MS, formatTime } from "./time.ts";

const MAX_VALUE_CHARS = 200;

/** @param data its body less `v`, `at` and `by`; of any version, so nothing in it is certain. */
export function eventText(type: string, data: JsonObject): string {
  const known = TEXTS[type]?.(data);
  const text = known === undefined ? pairs(data) : known;
  return text.replaceAll(/\s+/g, " ").trim();
}

const TEXTS: Readonly<Record<string, (data: JsonObject) => string>> = {
  worker_registered: (data) => `on ${word(data["host"])}${tail(pairs(data["labels"]))}`,
  process_spawned: (data) =>
    `${process(data)}${attempt(data["attempt"])}${tail(argv(data["argv"]))}`,
  process_adopted: process,
  process_stopping: (data) => process(data) + tail(word(data["reason"])),
  process_exited: (data) => `${process(data)} ${ending(data)}${tail(lastLine(data["stderr"]))}`,
  process_lost: (data) => process(data) + tail(word(data["reason"])),
  restart_scheduled: (data) =>
    `attempt ${word(data["attempt"])} in ${word(data["delay_sec"])} s${tail(word(data["reason"]))}`,
  restart_exhausted: (data) =>
    `${word(data["attempt"])} attempts were not enough, the next one is at ${instant(data["cooldown_until"])}${tail(word(data["reason"]))}`,
  restart_denied: (data) => word(data["why"]),
  limit_exceeded: (data) =>
    `${word(data["limit"])} is ${word(data["value"])}, more than ${word(data["max"])} for ${word(data["for_sec"])} s`,
  status_changed: (data) => `${word(data["from"])} to ${word(data["to"])} (${word(data["cause"])})`,
  check_failed: (data) => word(data["check"]) + tail(word(data["message"])),
  check_recovered: (data) => word(data["check"]) + tail(word(data["message"])),
  restart_reset: ordered,
  runner_paused: ordered,
  runner_resumed: ordered,
  runner_restart_requested: ordered,
  runner_retired: ordered,
  enforcer_started: (data) => `pid ${word(data["pid"])} on ${word(data["host"])}`,
  enforcer_stopped: (data) => `pid ${word(data["pid"])} on ${word(data["host"])}`,
};

function process(data: JsonObject): string {
  return `${word(data["host"])}:${word(data["pid"])}`;
}

/** Why, and who asked for it. */
function ordered({ asked_by: by, ...data }: JsonObject): string {
  const who = word(by);
  return who === "" ? pairs(data) : `by ${who}${tail(pairs(data))}`;
}

function attempt(value: unknown): string {
  return typeof value === "number" && value > 0 ? ` attempt ${value}` : "";
}

function argv(value: unknown): string {
  return Array.isArray(value) ? value.map(word).join(" ") : "";
}

function ending({ signal, exit_code: code, ran_sec: ranSec }: JsonObject): string {
  const how = typeof signal === "string" ? `ended by ${signal}` : `exit code ${word(code)}`;
  return typeof ranSec === "number" ? `${how} after ${Math.round(ranSec)} s` : how;
}

function lastLine(value: unknown): string {
  const lines = Array.isArray(value) ? value.filter((line) => word(line).trim() !== "") : [];
  return word(lines.at(-1));
}

function tail(text: string): string {
  return text === "" ? "" : `: ${text}`;
}

function instant(value: unknown): string {
  const isTime = typeof value === "number" && Math.abs(value) <= MAX_EPOCH_MS;
  return isTime ? formatTime(value) : word(value);
}

/** `key=value key=value`; the reason or message alone where there is nothing else. */
function pairs(data: unknown): string {
  if (typeof data !== "object" || data === null) return word(data);
  const entries = Object.entries(data);
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && ["reason", "message"].includes(only[0])) {
    return word(only[1]);
  }
  return entries.map(([key, value]) => `${key}=${word(value)}`).join(" ");
}

function word(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
}
