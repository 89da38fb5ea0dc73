import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../lib/core/event.ts";
import type { RunnerEvent } from "../../lib/core/event.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { createEventPublisher } from "../../lib/nats/event-publisher.ts";
import type { EventPublisher } from "../../lib/nats/event-publisher.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

const RUNNER = parseRunnerId("process/bidder/default");
const PROCESS = { host: "edge-1", pid: 4711, started_at: 1_700_000_000_000 };

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function open(
  url: string,
): Promise<{ nc: NatsConnection; publisher: EventPublisher; lines: readonly string[] }> {
  const nc = await connect({ servers: url, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  const { log, lines } = makeLog();
  const publisher = createEventPublisher(nc, {
    prefixes: DEFAULT_PREFIXES,
    by: "test@edge-1",
    log,
  });
  closers.push(async () => {
    await publisher.close(0);
    await nc.close();
  });
  return { nc, publisher, lines };
}

async function storedEvents(nc: NatsConnection): Promise<RunnerEvent[]> {
  const jsm = await jetstreamManager(nc);
  const { state } = await jsm.streams.info("RUNBEAT_EVENTS");
  const events: RunnerEvent[] = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await jsm.streams.getMessage("RUNBEAT_EVENTS", { seq });
    const type = message?.subject.split(".").at(-1) ?? "";
    const decoded = decodeEvent(type, message?.data ?? new Uint8Array());
    if (decoded.ok) events.push(decoded.event);
  }
  return events;
}

describe("the event publisher", () => {
  it("stores events in their order, with who says so, and without secrets", async () => {
    const server = await startNatsServer();
    const { nc, publisher } = await open(server.url);
    await makeStreams(nc);
    const atMs = Date.parse("2026-01-23T19:00:00Z");
    const env = { API_TOKEN: "abc", MODE: "live" };
    const argv = ["bidder", "--password", "abc", "rtsp://me:abc@cam/1"];
    void publisher.publish(
      RUNNER,
      "process_spawned",
      { ...PROCESS, argv, env, attempt: 0 },
      { atMs },
    );
    for (let i = 1; i <= 20; i++) {
      void publisher.publish(RUNNER, "restart_scheduled", {
        attempt: i,
        delay_sec: 1,
        reason: "x",
      });
    }
    await publisher.flush();

    const events = await storedEvents(nc);
    expect(events.map(({ data }) => data["attempt"])).toEqual(
      Array.from({ length: 21 }, (_, i) => i),
    );
    expect(events[0]).toMatchObject({
      type: "process_spawned",
      by: "test@edge-1",
      at: atMs,
      process: { host: "edge-1", pid: 4711, startedAt: PROCESS.started_at },
      data: {
        argv: ["bidder", "--password", "***", "rtsp://***@cam/1"],
        env: { API_TOKEN: "***", MODE: "live" },
      },
    });
  });

  it("stores what has the same id once", async () => {
    const server = await startNatsServer();
    const { nc, publisher } = await open(server.url);
    await makeStreams(nc);
    await publisher.publish(RUNNER, "runner_paused", {}, { msgId: "a" });
    await publisher.publish(RUNNER, "runner_paused", {}, { msgId: "a" });
    await publisher.publish(RUNNER, "runner_paused", {});
    expect(await storedEvents(nc)).toHaveLength(2);
  });

  it("keeps events through an outage and loses neither one nor the order", async () => {
    const server = await startNatsServer();
    const { nc, publisher, lines } = await open(server.url);
    await makeStreams(nc);
    await publisher.publish(RUNNER, "runner_paused", { reason: "0" });
    await server.kill9();
    const stored = Array.from({ length: 50 }, (_, i) =>
      publisher.publish(RUNNER, "runner_paused", { reason: String(i + 1) }),
    );
    await waitFor(() => lines.some((line) => line.includes("they are kept")), {
      timeoutMs: 15_000,
    });
    await server.restart();
    await Promise.all(stored);
    const reasons = (await storedEvents(nc)).map(({ data }) => data["reason"]);
    expect(reasons).toEqual(Array.from({ length: 51 }, (_, i) => String(i)));
    expect(lines.at(-1)).toContain("events are stored again");
  });

  it("waits for the stream to be made", async () => {
    const server = await startNatsServer();
    const { nc, publisher, lines } = await open(server.url);
    const stored = publisher.publish(RUNNER, "runner_paused", {});
    await waitFor(() => lines.length > 0);
    await makeStreams(nc);
    await stored;
    expect(await storedEvents(nc)).toHaveLength(1);
  });

  it("drops what it can't bring away before its end, and says so", async () => {
    const server = await startNatsServer({ jetstream: false });
    const { publisher, lines } = await open(server.url);
    const lost = publisher.publish(RUNNER, "runner_paused", {});
    await publisher.close(300);
    await expect(lost).rejects.toMatchObject({ code: "unavailable" });
    const late = publisher.publish(RUNNER, "runner_paused", {});
    await expect(late).rejects.toThrow(/came after the end/);
    expect(lines.filter((line) => line.includes("runner_paused"))).toHaveLength(2);
  });

  it("drops the oldest of too many", async () => {
    const server = await startNatsServer({ jetstream: false });
    const { publisher } = await open(server.url);
    let lost = 0;
    for (let i = 0; i < 10_005; i++) {
      publisher.publish(RUNNER, "runner_paused", {}).catch(() => lost++);
    }
    await waitFor(() => lost === 5);
  });

  it("refuses what is no event", async () => {
    const server = await startNatsServer({ jetstream: false });
    const { publisher } = await open(server.url);
    const wrong = publisher.publish(RUNNER, "process_stopping", { ...PROCESS, pid: 0 });
    await expect(wrong).rejects.toThrow(/pid/);
  });
});
