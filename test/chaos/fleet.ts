/** A made-up fleet: what its runners publish, right and wrong. */
import type { Random } from "./random.ts";

const KINDS = ["camera", "worker", "service", "process"] as const;
const HOSTS = ["edge-1", "edge-2", "edge-3", "", "rack|7"] as const;

/** Parts of all messages; the rest are plain heartbeats. */
const BAD_PART = 0.005;
const ERROR_PART = 0.01;
const NEW_PROCESS_PART = 0.003;
const OLD_PROCESS_PART = 0.01;
const HEAVY_PART = 0.1;

export interface Outgoing {
  readonly subject: string;
  readonly data: string | Uint8Array;
}

interface Process {
  pid: number;
  host: string;
  /** Epoch ms; 0: the runner does not say. */
  startedAt: number;
  seq: number;
}

interface Slot {
  readonly tokens: string;
  readonly id: string;
  current: Process;
  previous: Process | undefined;
}

export class Fleet {
  readonly #random: Random;
  readonly #slots: Slot[];
  #startedAt = Date.UTC(2026, 0, 1);

  constructor(random: Random, size: number) {
    this.#random = random;
    this.#slots = Array.from({ length: size }, (_, index) => {
      const kind = random.pick(KINDS);
      const name = `r${index}`;
      const current = this.#newProcess(random.chance(0.8));
      return {
        tokens: `${kind}.${name}.main`,
        id: `${kind}/${name}/main`,
        current,
        previous: undefined,
      };
    });
  }

  /** What one of the runners publishes next. */
  next(): Outgoing {
    const random = this.#random;
    const slot = random.pick(this.#slots);
    if (random.chance(BAD_PART)) return this.#bad(slot);
    if (random.chance(NEW_PROCESS_PART)) {
      slot.previous = slot.current;
      slot.current = this.#newProcess(slot.current.startedAt !== 0);
    }
    const isOld = slot.previous !== undefined && random.chance(OLD_PROCESS_PART);
    return this.#beat(slot, isOld && slot.previous !== undefined ? slot.previous : slot.current);
  }

  #newProcess(tellsStart: boolean): Process {
    const random = this.#random;
    this.#startedAt += 1 + random.below(5_000);
    return {
      pid: 1 + random.below(32_000),
      host: random.pick(HOSTS),
      startedAt: tellsStart ? this.#startedAt : 0,
      seq: 0,
    };
  }

  #beat(slot: Slot, process: Process): Outgoing {
    const random = this.#random;
    process.seq += 1;
    const body = {
      pid: process.pid,
      ...(process.host === "" ? {} : { host: process.host }),
      ...(process.startedAt === 0 ? {} : { started_at: process.startedAt }),
      ts: Date.now(),
      seq: process.seq,
      interval_sec: 1,
      health: random.pick(["healthy", "healthy", "degraded", "unhealthy"]),
      fps: random.below(300) / 10,
      detected: random.below(5),
      matched: random.below(3),
      latency_ms: random.below(400) / 8,
      ...(random.chance(ERROR_PART) ? { last_error: `reading failed after ${process.seq}` } : {}),
      ...(random.chance(HEAVY_PART) ? this.#heavyPart() : {}),
    };
    return { subject: `runbeat.hb.${slot.tokens}`, data: JSON.stringify(body) };
  }

  #heavyPart(): object {
    const random = this.#random;
    return {
      checks: { redis_ok: random.chance(0.5) },
      metrics: { queue: random.below(1_000), load: random.next() },
      labels: { backend: random.pick(["cuda", "cpu"]) },
      resources: { cpu_percent: random.below(100), queues: { frames: random.below(50) } },
      detail: { note: "größer, 東京, \ud83d\ude00" },
    };
  }

  #bad(slot: Slot): Outgoing {
    const random = this.#random;
    const subject = `runbeat.hb.${slot.tokens}`;
    const kinds: (() => Outgoing)[] = [
      () => ({ subject, data: '{"pid": 7,' }),
      () => ({ subject, data: Uint8Array.from([0x7b, 0xff, 0xfe, random.below(256)]) }),
      () => ({ subject, data: '{"pid": "seven"}' }),
      () => ({ subject, data: '{"pid": 7, "fps": 1e999}' }),
      () => ({ subject, data: JSON.stringify({ pid: 7, runner: `${slot.id}x` }) }),
      () => ({ subject, data: JSON.stringify({ pid: 7, detail: { text: "x".repeat(17_000) } }) }),
      () => ({ subject: `runbeat.hb.robot.r${random.below(9)}.main`, data: '{"pid": 7}' }),
      () => ({ subject: `${subject}.more`, data: '{"pid": 7}' }),
    ];
    return random.pick(kinds)();
  }
}
