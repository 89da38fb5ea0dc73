/** From a stream's raw messages to what the folds take; whatever can't be read is left out. */
import { parseAlertRecord } from "../core/alert.ts";
import { decodeEvent } from "../core/event.ts";
import { parseRejection, parseResolution } from "../core/quarantine.ts";
import { readHeartbeat } from "../core/read-heartbeat.ts";
import { decodeSnapshot } from "../core/snapshot.ts";
import { eventOfTokens, runnerOfTokens, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { runnerParts } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import type { RunnerColumns } from "../store/tables.ts";
import type { FoldedStream, MessageOf } from "../../projections/projection.ts";

/** Undefined for a message that can't be folded; the emitter puts it into quarantine. */
export type Decoder<S extends FoldedStream> = (message: StreamMessage) => MessageOf[S] | undefined;

/** Subjects whose runner is remembered; beyond it the memory starts over. */
const MAX_REMEMBERED = 300_000;

/** Remembers what was computed per text, so that it is computed once while it is in use. */
function remembering<T>(compute: (text: string) => T): (text: string) => T {
  let known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined || known.has(text)) return found as T;
    if (known.size >= MAX_REMEMBERED) known = new Map();
    const value = compute(text);
    known.set(text, value);
    return value;
  };
}

function columnsOf(id: RunnerId | undefined): RunnerColumns | undefined {
  return id === undefined ? undefined : { runner: id, ...runnerParts(id) };
}

/** A runner and the process that it was last heard from. */
interface Source {
  readonly runner: RunnerColumns;
  readonly memo: unknown[];
  host: string;
  pid: number;
  startedAt: number;
  processKey: string;
}

function sourceOf(tokens: string): Source | undefined {
  const runner = columnsOf(runnerOfTokens(tokens));
  if (runner === undefined) return undefined;
  return { runner, memo: [], host: "", pid: 0, startedAt: 0, processKey: "" };
}

function heartbeatDecoder(prefixes: Prefixes): Decoder<"heartbeats"> {
  const prefix = subjectPrefix(prefixes, "heartbeats");
  const find = remembering((subject) => sourceOf(subject.slice(prefix.length)));
  return ({ subject, data, seq, timeMs }) => {
    const source = find(subject);
    if (source === undefined) return undefined;
    const heartbeat = readHeartbeat(source.runner.runner, data, source.host);
    if (heartbeat === undefined) return undefined;
    if (
      source.pid !== heartbeat.pid ||
      source.startedAt !== heartbeat.startedAt ||
      source.host !== heartbeat.host
    ) {
      source.pid = heartbeat.pid;
      source.startedAt = heartbeat.startedAt;
      source.host = heartbeat.host;
      source.processKey = `${source.runner.runner}|${heartbeat.host}|${heartbeat.pid}|${heartbeat.startedAt}`;
    }
    const { runner, memo, processKey } = source;
    return { seq, time: timeMs, runner, processKey, memo, heartbeat };
  };
}

function eventDecoder(prefixes: Prefixes): Decoder<"events"> {
  const prefix = subjectPrefix(prefixes, "events");
  return ({ subject, data, seq, timeMs }) => {
    const address = eventOfTokens(subject.slice(prefix.length));
    const runner = columnsOf(address?.runner);
    if (address === undefined || runner === undefined) return undefined;
    const decoded = decodeEvent(address.type, data);
    return decoded.ok ? { seq, time: timeMs, runner, event: decoded.event } : undefined;
  };
}

function snapshotDecoder(prefixes: Prefixes): Decoder<"snapshots"> {
  const prefix = subjectPrefix(prefixes, "snapshots");
  const find = remembering((subject) => columnsOf(runnerOfTokens(subject.slice(prefix.length))));
  return ({ subject, data, seq, timeMs }) => {
    const runner = find(subject);
    if (runner === undefined) return undefined;
    const snapshot = decodeSnapshot(runner.runner, data);
    return snapshot === undefined ? undefined : { seq, time: timeMs, runner, snapshot };
  };
}

function quarantineDecoder(prefixes: Prefixes): Decoder<"quarantine"> {
  const prefix = subjectPrefix(prefixes, "quarantine");
  return (message) => {
    const word = message.subject.slice(prefix.length);
    const quarantined =
      word === "resolved" ? parseResolution(message.data) : parseRejection(message);
    if (quarantined === undefined) return undefined;
    return { seq: message.seq, time: message.timeMs, quarantined };
  };
}

function alertDecoder(): Decoder<"alerts"> {
  return ({ subject, data, seq, timeMs }) => {
    const record = parseAlertRecord(subject.slice(subject.lastIndexOf(".") + 1), data);
    return record === undefined ? undefined : { seq, time: timeMs, record };
  };
}

/** The decoder of a stream. */
export function decoderOf(stream: FoldedStream, prefixes: Prefixes): Decoder<FoldedStream> {
  switch (stream) {
    case "heartbeats":
      return heartbeatDecoder(prefixes);
    case "events":
      return eventDecoder(prefixes);
    case "snapshots":
      return snapshotDecoder(prefixes);
    case "quarantine":
      return quarantineDecoder(prefixes);
    case "alerts":
      return alertDecoder();
  }
}
