/**
 * A day of a fleet that never was, as an export: the same seed gives the same file. Runners beat,
 * fall silent, fail, end and are started again; what the projector would have put into snapshots
 * and quarantine is there too. It is made as it is written, whatever its length.
 */
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import { rejectionHeaders } from "../../lib/core/quarantine.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { sample, snapshotBody } from "../../lib/core/snapshot.ts";
import {
  DEFAULT_PREFIXES,
  STREAM_KEYS,
  eventSubject,
  heartbeatSubject,
  quarantineSubject,
  snapshotSubject,
  streamName,
} from "../../lib/core/subject.ts";
import type { StreamKey } from "../../lib/core/subject.ts";
import { formatTime } from "../../lib/core/time.ts";
import { EXPORT_VERSION } from "../../lib/operator/export-format.ts";
import type {
  ExportedMessage,
  ExportEnd,
  ExportManifest,
} from "../../lib/operator/export-format.ts";
import { ExportWriter } from "../../lib/operator/export-writer.ts";
import { Random } from "../chaos/random.ts";

export interface RecordedDayOptions {
  readonly seed: number;
  readonly runners: number;
  /** Epoch ms of its beginning. */
  readonly fromMs: number;
  readonly durationMs: number;
  /** How often each runner beats; 10 unless given. */
  readonly everySec?: number;
  /** The window of snapshots; 60 unless given. */
  readonly snapshotEverySec?: number;
  /** Of every stream's first message; 1 unless given. */
  readonly firstSeq?: number;
  /** How much happens: chances are multiplied by it; 1 unless given. */
  readonly trouble?: number;
}

const KINDS = ["camera", "worker", "service", "process"] as const;
const HOSTS = 200;
/** Per beat. */
const CHANCES = {
  silence: 1 / 500,
  end: 1 / 1_000,
  error: 1 / 300,
  bad: 1 / 5_000,
  check: 1 / 2_000,
};
const SNAPSHOT_EVERY_SEC = 60;
const RESTART_MS = 5_000;
const CREATED = "2026-01-01T00:00:00Z";

interface Runner {
  readonly id: RunnerId;
  readonly host: string;
  /** Within the interval, ms. */
  readonly phaseMs: number;
  readonly isManaged: boolean;
  pid: number;
  startedAt: number;
  seq: number;
  keptAt: number | undefined;
  silentUntil: number;
}

class Recording {
  readonly #options: RecordedDayOptions;
  readonly #random: Random;
  readonly #everyMs: number;
  readonly #runners: Runner[];
  readonly #seqs = new Map<StreamKey, number>();
  /** Events that have their moment yet to come, soonest first. */
  #later: { readonly atMs: number; readonly make: () => ExportedMessage }[] = [];

  constructor(options: RecordedDayOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#everyMs = (options.everySec ?? 10) * 1000;
    this.#runners = Array.from({ length: options.runners }, (_, index) => this.#runner(index));
    this.#runners.sort((a, b) => a.phaseMs - b.phaseMs);
  }

  *messages(): Generator<ExportedMessage> {
    const { fromMs, durationMs } = this.#options;
    for (const runner of this.#runners) {
      if (runner.isManaged) yield this.#spawned(runner, fromMs, 0);
    }
    for (let roundMs = fromMs; roundMs < fromMs + durationMs; roundMs += this.#everyMs) {
      for (const runner of this.#runners) {
        const nowMs = roundMs + runner.phaseMs;
        if (nowMs >= fromMs + durationMs) break;
        while ((this.#later[0]?.atMs ?? Infinity) <= nowMs) {
          const due = this.#later.shift();
          if (due !== undefined) yield due.make();
        }
        if (nowMs >= runner.silentUntil) yield* this.#beat(runner, nowMs);
      }
    }
  }

  *#beat(runner: Runner, nowMs: number): Generator<ExportedMessage> {
    runner.seq += 1;
    const heartbeat = this.#message(
      "heartbeats",
      nowMs,
      heartbeatSubject(DEFAULT_PREFIXES, runner.id),
      {
        text: this.#happens("bad") ? '{"pid": 0}' : this.#body(runner, nowMs),
      },
    );
    yield heartbeat;
    yield* this.#judged(runner, heartbeat);
    if (this.#happens("silence"))
      runner.silentUntil = nowMs + this.#random.below(20) * this.#everyMs;
    if (this.#happens("check")) yield this.#event(runner, nowMs, "check_failed", CHECK);
    if (runner.isManaged && this.#happens("end")) yield this.#ended(runner, nowMs);
  }

  /** What the projector would have made of it. */
  *#judged(
    runner: Runner,
    { seq, timeMs, subject, data }: ExportedMessage,
  ): Generator<ExportedMessage> {
    const decoded = decodeHeartbeat(runner.id, data);
    const stream = streamName(DEFAULT_PREFIXES, "heartbeats");
    if (!decoded.ok) {
      const source = { subject, stream, streamCreated: CREATED, seq, timeMs, bytes: data.length };
      const head = Object.entries(rejectionHeaders(decoded.rejection, source));
      const to = quarantineSubject(DEFAULT_PREFIXES, decoded.rejection.reason);
      yield { ...this.#message("quarantine", timeMs, to, { text: "" }), headers: head, data };
      return;
    }
    const { heartbeat } = decoded;
    const state = runner.keptAt === undefined ? undefined : { keptAt: runner.keptAt };
    const everySec = this.#options.snapshotEverySec ?? SNAPSHOT_EVERY_SEC;
    if (sample(state, heartbeat, timeMs, everySec) === undefined) return;
    runner.keptAt = timeMs;
    const body = JSON.stringify(snapshotBody({ ts: timeMs, heartbeatSeq: seq, heartbeat }));
    yield this.#message("snapshots", timeMs, snapshotSubject(DEFAULT_PREFIXES, runner.id), {
      text: body,
    });
  }

  #ended(runner: Runner, nowMs: number): ExportedMessage {
    runner.silentUntil = nowMs + RESTART_MS;
    const ended = this.#event(runner, nowMs, "process_exited", {
      ...identityOf(runner),
      exit_code: this.#random.below(3),
      signal: null,
      ran_sec: (nowMs - runner.startedAt) / 1000,
      stderr: ["it ended"],
    });
    this.#plan(nowMs, () =>
      this.#event(runner, nowMs, "restart_scheduled", {
        attempt: 1,
        delay_sec: 5,
        reason: "it ended",
      }),
    );
    this.#plan(nowMs + RESTART_MS, () => this.#spawned(runner, nowMs + RESTART_MS, 1));
    return ended;
  }

  #spawned(runner: Runner, nowMs: number, attempt: number): ExportedMessage {
    runner.pid = 1000 + this.#random.below(30_000);
    runner.startedAt = nowMs;
    const argv = ["node", "runner.js", "--name", runner.id];
    const data = { ...identityOf(runner), argv, env: { MODE: "live" }, attempt };
    return this.#event(runner, nowMs, "process_spawned", data);
  }

  #event<T extends EventType>(
    runner: Runner,
    nowMs: number,
    type: T,
    data: EventData<T>,
  ): ExportedMessage {
    const body = eventBody(type, `enforcer@${runner.host}`, nowMs, data);
    const subject = eventSubject(DEFAULT_PREFIXES, runner.id, type);
    const message = this.#message("events", nowMs, subject, { text: JSON.stringify(body) });
    return { ...message, headers: [["Nats-Msg-Id", `${runner.id}:${type}:${message.seq}`]] };
  }

  #body(runner: Runner, nowMs: number): string {
    const random = this.#random;
    return JSON.stringify({
      v: 1,
      ...identityOf(runner),
      ts: formatTime(nowMs - random.below(50)),
      seq: runner.seq,
      interval_sec: this.#everyMs / 1000,
      health: random.chance(0.02) ? "degraded" : "healthy",
      fps: 20 + random.below(100) / 10,
      detected: random.below(4),
      latency_ms: 10 + random.below(200) / 10,
      last_error: this.#happens("error") ? `read failed (${random.below(5)})` : "",
      ...(runner.seq % 6 === 0 ? { metrics: { queue: random.below(50) } } : {}),
    });
  }

  #message(
    stream: StreamKey,
    timeMs: number,
    subject: string,
    { text }: { text: string },
  ): ExportedMessage {
    const seq = this.#seqs.get(stream) ?? this.#options.firstSeq ?? 1;
    this.#seqs.set(stream, seq + 1);
    return { stream, seq, timeMs, subject, headers: [], data: Buffer.from(text) };
  }

  /** Every restart takes as long, so what is planned comes in the order of planning but for ties. */
  #plan(atMs: number, make: () => ExportedMessage): void {
    const at = this.#later.findLastIndex((other) => other.atMs <= atMs);
    this.#later.splice(at + 1, 0, { atMs, make });
  }

  #happens(what: keyof typeof CHANCES): boolean {
    return this.#random.chance(CHANCES[what] * (this.#options.trouble ?? 1));
  }

  #runner(index: number): Runner {
    const random = this.#random;
    return {
      id: `${random.pick(KINDS)}/r${index}/default` as RunnerId,
      host: `edge-${random.below(HOSTS)}`,
      phaseMs: random.below(this.#everyMs),
      isManaged: random.chance(0.9),
      pid: 1000 + random.below(30_000),
      startedAt: this.#options.fromMs - random.below(86_400_000),
      seq: 0,
      keptAt: undefined,
      silentUntil: 0,
    };
  }
}

const CHECK = { check: "disk_space", message: "Disk at 96 %" };

function identityOf({ host, pid, startedAt }: Runner) {
  return { host, pid, started_at: formatTime(startedAt) };
}

/** The messages of such a day, by time; of each stream with rising sequences. */
export function recordedDay(options: RecordedDayOptions): Generator<ExportedMessage> {
  return new Recording(options).messages();
}

/** Writes such a day as `runbeat export` would have. */
export async function writeRecordedDay(
  file: string,
  options: RecordedDayOptions,
): Promise<ExportEnd> {
  const writer = new ExportWriter(file, manifestOf(options));
  for (const message of recordedDay(options)) {
    writer.write(message);
    if (writer.isFull) await writer.drained();
  }
  return await writer.finish();
}

function manifestOf({ fromMs, durationMs, firstSeq = 1 }: RecordedDayOptions): ExportManifest {
  const to = formatTime(fromMs + durationMs);
  const streams = STREAM_KEYS.map((key) => [
    key,
    {
      name: streamName(DEFAULT_PREFIXES, key),
      created: CREATED,
      first_seq: firstSeq,
      // How many it will be is not known before they are made.
      last_seq: firstSeq - 1,
    },
  ]);
  return {
    runbeat_export: EXPORT_VERSION,
    version: "0.0.0",
    created: to,
    from: formatTime(fromMs),
    to,
    runner: null,
    redacted: false,
    prefixes: DEFAULT_PREFIXES,
    streams: Object.fromEntries(streams) as ExportManifest["streams"],
  };
}
