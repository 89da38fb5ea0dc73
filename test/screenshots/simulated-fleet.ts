/**
 * A fleet that never was, with an hour of history and a present that goes on. Its streams say that
 * they were imported, so that messages may carry times that are past; but not where the import
 * ends, so that the clock runs.
 */
import { headers } from "@nats-io/transport-node";
import { eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import { IMPORT_KEYS, IMPORTED_TIME_HEADER } from "../../lib/core/imported-stream.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES, eventSubject, heartbeatSubject } from "../../lib/core/subject.ts";
import type { Stage } from "../bench/stage.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HISTORY_MS = 75 * MINUTE_MS;
const BEAT_MS = 10 * SECOND_MS;

interface Simulated {
  readonly runner: string;
  readonly host: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Times without heartbeats, minutes before now: from, to. */
  readonly silences: readonly (readonly [from: number, to: number])[];
  /** It ended so many minutes before now. */
  readonly endedAgo?: number;
  /** Of the present: so that the sentinel sees it fall silent. */
  readonly silentAfterMs?: number;
}

function camera(name: string, host: string, fps: number, more: Partial<Simulated> = {}): Simulated {
  const body = { fps, detected: 2, matched: 1, latency_ms: 18, camera_state: "healthy" };
  return { runner: `camera/${name}/hd`, host, body, silences: [], ...more };
}

function program(runner: string, host: string, more: Partial<Simulated> = {}): Simulated {
  const body = { resources: { cpu_percent: 3 + runner.length / 2, memory_mb: 210 } };
  return { runner, host, body, silences: [], ...more };
}

const OUT_OF_MEMORY = {
  health: "degraded",
  last_error: "CUDA out of memory: fell back to the CPU",
  metrics: { images: 3.2 },
};

const FLEET: readonly Simulated[] = [
  program("process/bidder/default", "edge-2", { endedAgo: 21, silences: [[44, 41]] }),
  camera("loading-dock", "edge-3", 12.5, { silences: [[52, 50], [30, 27.5], [0.7, 0]] }), // prettier-ignore
  program("service/vpn/main", "core-1", { silentAfterMs: 22 * SECOND_MS }),
  program("worker/gpu-1/default", "gpu-1", { body: OUT_OF_MEMORY }),
  camera("front-door", "edge-1", 24.9),
  camera("back-yard", "edge-1", 25, { silences: [[38, 33]] }),
  camera("garage", "edge-1", 15),
  camera("roof", "edge-2", 24.8, { silences: [[55, 54.5], [12, 11.4]] }), // prettier-ignore
  camera("lobby", "edge-2", 30),
  camera("stairs", "edge-2", 25),
  camera("gate", "edge-3", 24.7),
  camera("parking", "edge-3", 20),
  program("worker/gpu-0/default", "gpu-0", { body: { metrics: { images: 118 } } }),
  program("worker/gpu-2/default", "gpu-2", { body: { metrics: { images: 121 } } }),
  program("service/api/main", "core-1"),
  program("service/db/main", "core-1"),
  program("process/feeder/default", "edge-2"),
  program("process/archive/default", "core-1"),
];

interface Told {
  readonly at: number;
  readonly subject: string;
  readonly data: string;
}

function processOf({ host, runner }: Simulated, now: number) {
  const pid = 1_000 + Buffer.from(runner).reduce((sum, byte) => sum + byte, 0);
  return { host, pid, started_at: now - HISTORY_MS };
}

function isSilent({ silences, endedAgo = 0 }: Simulated, agoMs: number): boolean {
  const ago = agoMs / MINUTE_MS;
  return ago < endedAgo || silences.some(([from, to]) => ago < from && ago >= to);
}

function beatOf(one: Simulated, at: number, now: number): Told {
  const subject = heartbeatSubject(DEFAULT_PREFIXES, parseRunnerId(one.runner));
  const process = processOf(one, now);
  const body = { ...process, ts: at, interval_sec: 10, health: "healthy", ...one.body };
  return { at, subject, data: JSON.stringify(body) };
}

function eventOf<Type extends EventType>(
  { runner, host }: Simulated,
  type: Type,
  at: number,
  data: EventData<Type>,
): Told {
  const subject = eventSubject(DEFAULT_PREFIXES, parseRunnerId(runner), type);
  return { at, subject, data: JSON.stringify(eventBody(type, `enforcer@${host}`, at, data)) };
}

/** As the sentinel would have told them: 15 s, 45 s and 120 s after the last heartbeat. */
function changesOf(one: Simulated, now: number): Told[] {
  const change = (at: number, from: string, to: string, cause: string): Told =>
    eventOf(one, "status_changed", at, { from, to, cause });
  const first = change(now - HISTORY_MS + SECOND_MS, "unknown", "online", "heartbeat");
  const falls = one.silences.flatMap(([from, to]) => {
    const [begin, end] = [now - from * MINUTE_MS, now - to * MINUTE_MS];
    const steps = [
      [begin + 15 * SECOND_MS, "stale"],
      [begin + 45 * SECOND_MS, "missing"],
      [begin + 120 * SECOND_MS, "offline"],
    ] as const;
    let last = "online";
    const downs = steps.flatMap(([at, status]) => {
      if (at >= end) return [];
      const told = change(at, last, status, "silence");
      last = status;
      return [told];
    });
    return to === 0 || last === "online"
      ? downs
      : [...downs, change(end, last, "online", "heartbeat")];
  });
  return [first, ...falls];
}

function endOf(one: Simulated, now: number): Told[] {
  if (one.endedAgo === undefined) return [];
  const at = now - one.endedAgo * MINUTE_MS;
  const stderr = ["no route to the exchange"];
  return [
    eventOf(one, "process_exited", at, {
      ...processOf(one, now),
      exit_code: 3,
      signal: null,
      ran_sec: 3_200,
      stderr,
    }),
    eventOf(one, "status_changed", at + 400, {
      from: "online",
      to: "offline",
      cause: "ended",
    }),
  ];
}

/** Tells the last hour, and then goes on. @returns what ends it. */
export async function startSimulation({ nc, jsm }: Stage): Promise<() => void> {
  for await (const { config } of jsm.streams.list())
    await jsm.streams.update(config.name, { metadata: { [IMPORT_KEYS.id]: "simulated" } });
  const now = Date.now();
  const told: Told[] = FLEET.flatMap((one) => [
    eventOf(one, "process_spawned", now - HISTORY_MS, {
      ...processOf(one, now),
      argv: ["runbeat"],
      env: {},
      attempt: 0,
    }),
    ...changesOf(one, now),
    ...endOf(one, now),
  ]);
  for (let ago = HISTORY_MS; ago > 0; ago -= BEAT_MS)
    for (const [index, one] of FLEET.entries())
      if (!isSilent(one, ago)) told.push(beatOf(one, now - ago + index * 300, now));
  for (const { at, subject, data } of told.toSorted((a, b) => a.at - b.at)) {
    const header = headers();
    header.set(IMPORTED_TIME_HEADER, String(at));
    nc.publish(subject, data, { headers: header });
  }
  await nc.flush();
  const beating = FLEET.filter((one) => !isSilent(one, 0));
  const timer = setInterval(() => {
    for (const one of beating) {
      if (Date.now() - now > (one.silentAfterMs ?? Infinity)) continue;
      const { subject, data } = beatOf(one, Date.now(), now);
      nc.publish(subject, data);
    }
  }, 3 * SECOND_MS);
  return () => clearInterval(timer);
}
