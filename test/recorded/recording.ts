/** What a release's recording holds: every type of event, every shape of heartbeat, and the rest. */
import { alertBody, silenceBody } from "../../lib/core/alert.ts";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { EVENT_TYPES, eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import { rejectionHeaders, resolutionBody } from "../../lib/core/quarantine.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { snapshotBody } from "../../lib/core/snapshot.ts";
import {
  DEFAULT_PREFIXES,
  eventSubject,
  heartbeatSubject,
  quarantineSubject,
  snapshotSubject,
  subjectPrefix,
} from "../../lib/core/subject.ts";
import type { StreamKey } from "../../lib/core/subject.ts";
import type { ExportedMessage, HeaderPair } from "../../lib/operator/export-format.ts";

export const RECORDED_FROM_MS = Date.UTC(2026, 0, 5, 3, 0);
/** Between two messages. */
const STEP_MS = 1_500;
const CAMERA = "camera/front-door/hd" as RunnerId;
const WORKER = "worker/gpu-0/default" as RunnerId;
const STARTED = "2026-01-05T02:59:58.000Z";
const PROCESS = { host: "edge-1", pid: 4711, started_at: STARTED };

/** One of each; a type that is missing here is an error of types. */
const EVENTS: { readonly [T in EventType]: EventData<T> } = {
  worker_registered: { host: "edge-1", labels: { backend: "cuda" }, pid: 4711 },
  process_spawned: { ...PROCESS, argv: ["run", "--fast"], env: { MODE: "live" }, attempt: 0 },
  process_adopted: PROCESS,
  process_stopping: { ...PROCESS, reason: "asked to" },
  process_exited: {
    ...PROCESS,
    exit_code: 3,
    signal: null,
    ran_sec: 61.5,
    stderr: ["no route to host"],
    stdout: [],
  },
  process_lost: { host: "edge-2", pid: 99, started_at: STARTED, reason: "not there any more" },
  restart_scheduled: { attempt: 2, delay_sec: 15, reason: "it ended" },
  restart_exhausted: { attempt: 3, cooldown_until: "2026-01-05T04:00:00.000Z", reason: "it ended" },
  restart_denied: { why: "it is on the deny list" },
  restart_reset: { reason: "stable" },
  limit_exceeded: { limit: "memory_mb", value: 600, max: 512, for_sec: 30 },
  status_changed: { from: "online", to: "stale", cause: "silence" },
  camera_degraded: { reason: "black picture" },
  camera_offline: { reason: "Camera did not answer" },
  camera_online: {},
  throttle_started: { reason: "Memory at 85%, limit 80%" },
  throttle_stopped: { reason: "Memory at 70%" },
  check_failed: { check: "disk_space", message: "Disk at 96 %", value: 96 },
  check_recovered: { check: "disk_space", message: "Disk at 80 %", value: 80 },
  runner_paused: { reason: "maintenance" },
  runner_resumed: {},
  runner_restart_requested: { reason: "by hand" },
  runner_retired: {},
  enforcer_started: { host: "edge-1", pid: 1 },
  enforcer_stopped: { host: "edge-1", pid: 1 },
};

/** Good ones and bad ones; the bad ones are left out by every fold. */
const HEARTBEATS: readonly (readonly [RunnerId, string])[] = [
  [CAMERA, '{"pid":4711}'],
  [CAMERA, JSON.stringify({ v: 1, ...PROCESS, seq: 1, interval_sec: 10, last_error: null })],
  [
    CAMERA,
    JSON.stringify({
      v: 1,
      runner: CAMERA,
      ...PROCESS,
      ts: "2026-01-05T03:00:02+01:00",
      seq: 2,
      interval_sec: 30,
      health: "degraded",
      fps: 24.9,
      detected: 2,
      matched: 1,
      latency_ms: 18.25,
      last_error: "read failed",
      camera_state: "reconnecting",
      checks: { redis_ok: true },
      metrics: { queue: 7 },
      labels: { backend: "cuda" },
      resources: { cpu_percent: 12.5, memory_mb: 300, queues: { in: 3 }, throttled: false },
      detail: { note: "grüße 🐝" },
    }),
  ],
  [CAMERA, JSON.stringify({ ...PROCESS, seq: 3, unknown_field: [1, 2], health: "healthy" })],
  [WORKER, JSON.stringify({ pid: 1, started_at: 1_767_582_000_000, ts: 1_767_582_003_000 })],
  [WORKER, JSON.stringify({ pid: 2, host: "edge-2", started_at: STARTED, health: "unhealthy" })],
  [WORKER, JSON.stringify({ pid: 1, started_at: 1_767_582_000_000, seq: 9 })],
  [WORKER, "{not json"],
  [WORKER, '{"pid":0}'],
  [WORKER, '{"v":99,"pid":1}'],
  [WORKER, '{"runner":"worker/other/default","pid":1}'],
];

class Recorder {
  readonly messages: ExportedMessage[] = [];
  readonly #seqs = new Map<StreamKey, number>();
  #now = RECORDED_FROM_MS;

  get now(): number {
    return this.#now;
  }

  add(
    stream: StreamKey,
    subject: string,
    body: object | string,
    headers: readonly HeaderPair[] = [],
  ): ExportedMessage {
    const seq = (this.#seqs.get(stream) ?? 100) + 1;
    this.#seqs.set(stream, seq);
    this.#now += STEP_MS;
    const data = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    const message = { stream, seq, timeMs: this.#now, subject, headers, data };
    this.messages.push(message);
    return message;
  }

  event<T extends EventType>(runner: RunnerId, type: T, data: EventData<T>): void {
    const body = eventBody(type, "enforcer@edge-1", this.#now, data);
    this.add("events", eventSubject(DEFAULT_PREFIXES, runner, type), body, [
      ["Nats-Msg-Id", `${type} ${runner}`],
    ]);
  }
}

/** What the present version would record. Older recordings stay as they were written. */
export function recording(): ExportedMessage[] {
  const recorder = new Recorder();
  for (const type of EVENT_TYPES) {
    for (const runner of [CAMERA, WORKER]) recorder.event(runner, type, EVENTS[type]);
  }
  for (const [runner, body] of HEARTBEATS) addHeartbeat(recorder, runner, body);
  const resolved = quarantineSubject(DEFAULT_PREFIXES, "resolved");
  const resolution = { seq: 101, action: "discarded", by: "somebody" } as const;
  recorder.add("quarantine", resolved, resolutionBody(resolution, recorder.now));
  addAlerts(recorder);
  return recorder.messages;
}

/** With what the projector makes of it. */
function addHeartbeat(recorder: Recorder, runner: RunnerId, body: string): void {
  const subject = heartbeatSubject(DEFAULT_PREFIXES, runner);
  const { seq, timeMs, data } = recorder.add("heartbeats", subject, body);
  const decoded = decodeHeartbeat(runner, data);
  if (decoded.ok) {
    const snapshot = { ts: timeMs, heartbeatSeq: seq, heartbeat: decoded.heartbeat };
    recorder.add("snapshots", snapshotSubject(DEFAULT_PREFIXES, runner), snapshotBody(snapshot));
    return;
  }
  const source = {
    subject,
    stream: "RUNBEAT_HEARTBEATS",
    streamCreated: "2026-01-01T00:00:00Z",
    seq,
    timeMs,
    bytes: data.length,
  };
  const headers = Object.entries(rejectionHeaders(decoded.rejection, source));
  const to = quarantineSubject(DEFAULT_PREFIXES, decoded.rejection.reason);
  recorder.add("quarantine", to, body, headers);
}

function addAlerts(recorder: Recorder): void {
  const prefix = subjectPrefix(DEFAULT_PREFIXES, "alerts");
  const raised = {
    id: "a1",
    type: "runner_offline",
    severity: "critical",
    action: "raised",
    revision: 1,
    notify: true,
    group: "edge-1, camera, silence",
    title: "1 camera of edge-1 is offline",
    openedAt: RECORDED_FROM_MS,
    resolvedAt: null,
    members: [{ name: CAMERA, since: RECORDED_FROM_MS, detail: "silent", silenced: false }],
    memberCount: 1,
  } as const;
  const subject = `${prefix}critical.runner_offline`;
  recorder.add("alerts", subject, alertBody(raised, "sentinel@edge-1", recorder.now));
  const resolved = {
    ...raised,
    action: "resolved",
    revision: 2,
    resolvedAt: recorder.now,
  } as const;
  recorder.add("alerts", subject, alertBody(resolved, "sentinel@edge-1", recorder.now));
  const silence = { id: "s1", pattern: "camera/*", reason: "works", by: "somebody" };
  const times = { from: RECORDED_FROM_MS, until: RECORDED_FROM_MS + 3_600_000 };
  recorder.add(
    "alerts",
    `${prefix}info.silence_set`,
    silenceBody({ ...silence, ...times }, recorder.now),
  );
}
