/** Publishes life-cycle events and remembers each that a stream acknowledged. */
import { setTimeout as delay } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import type { JetStreamClient } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { eventBody } from "../../lib/core/event.ts";
import type { JsonObject } from "../../lib/core/heartbeat.ts";
import type { Random } from "./random.ts";

/** Publishers at work at once. */
const PUBLISHERS = 4;
const PAUSE_MS = 60;
const ACK_TIMEOUT_MS = 1_000;
const RETRY_MS = 50;
/** Events that can't be folded. */
const BAD_PART = 0.02;
const RUNNERS = 40;

export interface AcknowledgedEvent {
  readonly id: string;
  readonly seq: number;
  readonly isBad: boolean;
}

interface Draft {
  readonly type: string;
  readonly body: JsonObject;
  readonly isBad: boolean;
}

export class EventLoad {
  readonly acknowledged: AcknowledgedEvent[] = [];
  readonly #nc: NatsConnection;
  readonly #js: JetStreamClient;
  readonly #random: Random;
  readonly #publishers: Promise<void>[];
  #isStopping = false;
  #made = 0;

  static async start(url: string, random: Random): Promise<EventLoad> {
    const nc = await connect({
      servers: url,
      name: "chaos events",
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
    return new EventLoad(nc, random);
  }

  private constructor(nc: NatsConnection, random: Random) {
    this.#nc = nc;
    this.#js = jetstream(nc, { timeout: ACK_TIMEOUT_MS });
    this.#random = random;
    this.#publishers = Array.from({ length: PUBLISHERS }, () => this.#publishOn());
  }

  /** Publishes one event more and waits until it is acknowledged: then the server serves again. */
  async probe(): Promise<void> {
    await this.#publishOne();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#publishers);
    await this.#nc.drain();
  }

  async #publishOn(): Promise<void> {
    while (!this.#isStopping) {
      await this.#publishOne();
      await delay(PAUSE_MS);
    }
  }

  /** Tries until it is acknowledged, always with the same id: so it is stored once. */
  async #publishOne(): Promise<void> {
    this.#made += 1;
    const id = `chaos-${this.#made}`;
    const { type, body, isBad } = this.#draft();
    const subject = `runbeat.ev.process.e${this.#random.below(RUNNERS)}.main.${type}`;
    for (;;) {
      try {
        const ack = await this.#js.publish(subject, JSON.stringify(body), { msgID: id });
        this.acknowledged.push({ id, seq: ack.seq, isBad });
        return;
      } catch {
        await delay(RETRY_MS);
      }
    }
  }

  #draft(): Draft {
    const random = this.#random;
    const process = {
      host: "edge-1",
      pid: 1 + random.below(50),
      started_at: Date.UTC(2026, 0, 1 + random.below(20)),
    };
    const make = (type: "process_spawned" | "process_exited" | "restart_scheduled") => {
      switch (type) {
        case "process_spawned":
          return eventBody(type, "chaos", Date.now(), {
            ...process,
            argv: ["run"],
            env: {},
            attempt: random.below(4),
          });
        case "process_exited":
          return eventBody(type, "chaos", Date.now(), {
            ...process,
            exit_code: random.below(3),
            signal: null,
            ran_sec: 1,
            stderr: [],
          });
        case "restart_scheduled":
          return eventBody(type, "chaos", Date.now(), {
            attempt: 1 + random.below(3),
            delay_sec: 5,
            reason: "exit",
          });
      }
    };
    if (random.chance(BAD_PART)) {
      return { type: "process_exited", body: { v: 1, by: "chaos", host: "edge-1" }, isBad: true };
    }
    const type = random.pick(["process_spawned", "process_exited", "restart_scheduled"] as const);
    return { type, body: make(type), isBad: false };
  }
}
