/** Publishes the fleet's heartbeats at a rate, without waiting for anybody. */
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Fleet } from "./fleet.ts";

const TICK_MS = 5;
/** After a pause at most so much is made up for. */
const MAX_BURST_SEC = 0.25;

export class HeartbeatLoad {
  readonly #nc: NatsConnection;
  readonly #fleet: Fleet;
  readonly #ratePerSec: number;
  #timer: NodeJS.Timeout | undefined;
  #owed = 0;
  #lastMs = performance.now();
  #isConnected = true;
  published = 0;

  static async start(url: string, fleet: Fleet, ratePerSec: number): Promise<HeartbeatLoad> {
    const nc = await connect({
      servers: url,
      name: "chaos heartbeats",
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
    const load = new HeartbeatLoad(nc, fleet, ratePerSec);
    void load.#watch();
    load.#timer = setInterval(() => load.#tick(), TICK_MS);
    return load;
  }

  private constructor(nc: NatsConnection, fleet: Fleet, ratePerSec: number) {
    this.#nc = nc;
    this.#fleet = fleet;
    this.#ratePerSec = ratePerSec;
  }

  /** Stops, and waits until the server has all that was published. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#nc.drain();
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#nc.status()) {
      if (type === "disconnect") this.#isConnected = false;
      if (type === "reconnect") this.#isConnected = true;
    }
  }

  #tick(): void {
    const now = performance.now();
    const passedSec = (now - this.#lastMs) / 1_000;
    this.#lastMs = now;
    // A runner keeps nothing for later: the next heartbeat says it all.
    if (!this.#isConnected) return;
    const most = this.#ratePerSec * MAX_BURST_SEC;
    this.#owed = Math.min(most, this.#owed + passedSec * this.#ratePerSec);
    for (; this.#owed >= 1; this.#owed -= 1) {
      const { subject, data } = this.#fleet.next();
      this.#nc.publish(subject, data);
      this.published += 1;
    }
  }
}
