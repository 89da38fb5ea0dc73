/** One NATS connection for the heartbeats and events of all cameras of a host process. */
import { hostname } from "node:os";
import type { NatsConnection } from "@nats-io/transport-node";
import type { EventData, EventType } from "../lib/core/event.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { heartbeatSubject } from "../lib/core/subject.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { createEventPublisher } from "../lib/nats/event-publisher.ts";
import type { EventPublisher, PublishOptions } from "../lib/nats/event-publisher.ts";
import type { OpenChannel } from "../lib/runner/beat-channel.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

const CLOSE_MS = 2_000;

export interface HostLine {
  /** A runner's heartbeats over the common connection. */
  channel(runner: RunnerId): OpenChannel;
  tell<T extends EventType>(
    runner: RunnerId,
    type: T,
    data: EventData<T>,
    options?: PublishOptions,
  ): void;
  /** Waits up to 2 s for events that are not stored yet. */
  close(): Promise<void>;
}

/** Connects in the background, and again after every outage. */
export function openHostLine(context: Context): HostLine {
  return new Line(context);
}

class Line implements HostLine {
  private readonly context: Context;
  private readonly abort = new AbortController();
  private readonly opening: Promise<NatsConnection>;
  private readonly publisher: Promise<EventPublisher>;
  private readonly waiting = new Set<() => void>();
  /** Set while heartbeats can leave: the client would keep them for after an outage. */
  private open: NatsConnection | undefined;

  constructor(context: Context) {
    this.context = context;
    const { signal } = this.abort;
    const options = natsOptions(context, "runbeat camera host");
    this.opening = connectNats({ ...options, waitOnFirstConnect: true, signal });
    this.publisher = this.opening.then((nc) => this.publisherOn(nc));
    this.publisher.catch(() => {});
    this.opening.then((nc) => this.follow(nc)).catch((error: unknown) => this.failed(error));
  }

  channel(runner: RunnerId): OpenChannel {
    const subject = heartbeatSubject(prefixesOf(this.context.settings), runner);
    return ({ onReady }) => {
      this.waiting.add(onReady);
      if (this.open !== undefined) setImmediate(onReady);
      return {
        send: (body) => {
          this.open?.publish(subject, body);
          return this.open !== undefined;
        },
        isSettling: () => false,
        hold: () => {},
        close: async () => {
          this.waiting.delete(onReady);
          await this.open?.flush().catch(() => {});
        },
      };
    };
  }

  tell<T extends EventType>(
    runner: RunnerId,
    type: T,
    data: EventData<T>,
    options: PublishOptions = {},
  ): void {
    // When it happened, not when NATS came back.
    const told = { atMs: Date.now(), ...options };
    this.publisher
      .then(async (publisher) => await publisher.publish(runner, type, data, told))
      .catch(() => {});
  }

  async close(): Promise<void> {
    this.abort.abort();
    const nc = await this.opening.catch(() => undefined);
    if (nc === undefined) return;
    await (await this.publisher).close(CLOSE_MS);
    await nc.close();
  }

  private publisherOn(nc: NatsConnection): EventPublisher {
    const prefixes = prefixesOf(this.context.settings);
    const by = `camera-host@${hostname()}`;
    return createEventPublisher(nc, { prefixes, by, log: this.context.log });
  }

  private async follow(nc: NatsConnection): Promise<void> {
    this.opened(nc);
    for await (const { type } of nc.status()) {
      if (type === "disconnect") this.open = undefined;
      else if (type === "reconnect") this.opened(nc);
    }
  }

  private opened(nc: NatsConnection): void {
    this.open = nc;
    for (const onReady of this.waiting) onReady();
  }

  private failed(error: unknown): void {
    if (!this.abort.signal.aborted) this.context.log.error({ err: error }, "there is no NATS");
  }
}
