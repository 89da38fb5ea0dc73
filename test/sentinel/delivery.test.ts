import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Alert } from "../../lib/core/alert.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { connectNats } from "../../lib/nats/connect.ts";
import { AlertStream } from "../../lib/sentinel/alert-stream.ts";
import { deliverUntil, newSinkMemory, openConsumer } from "../../lib/sentinel/delivery.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();
const ALERT: Alert = {
  id: "host_down-1",
  type: "host_down",
  severity: "critical",
  action: "raised",
  revision: 1,
  notify: true,
  group: "edge-1",
  title: "Host edge-1 is down",
  openedAt: 1,
  resolvedAt: null,
  members: [],
  memberCount: 0,
};

describe("a delivery", { timeout: 60_000 }, () => {
  const { log, lines } = makeLog();
  let nc: Awaited<ReturnType<typeof connectNats>>;

  beforeEach(async () => {
    nc = await connectNats({ url: server.url, name: "test", log });
    await makeStreams(nc);
  });

  afterEach(async () => await nc.close());

  it("is not made again where NATS was cut off between the sink's answer and ours", async () => {
    const jsm = await jetstreamManager(nc);
    const told: string[] = [];
    const sink = {
      name: "hook",
      minSeverity: "warning",
      deliver: ({ key }: { key: string }) => {
        told.push(key);
        // It takes our answer no more, and does not say so.
        if (told.length === 1) process.kill(server.pid, "SIGSTOP");
        return Promise.resolve();
      },
    } as const;
    const context = { nc, jsm, prefixes: DEFAULT_PREFIXES, by: "sentinel@test" };
    const options = { ...context, sink, log, memory: newSinkMemory(), ackWaitMs: 1_000 };
    await openConsumer(options);
    const stream = new AlertStream(context);
    await stream.writeOwn([ALERT], 1);
    const ending = new AbortController();
    const first = deliverUntil(options, ending.signal);
    await waitFor(() => lines.some((line) => line.includes("can't be fetched")), {
      what: "our answer is lost",
    });
    await server.kill9();
    await server.restart();
    const over = { ...ALERT, action: "resolved", revision: 2, resolvedAt: 2 } as const;
    await waitFor(async () => {
      await stream.writeOwn([over], 2);
      return true;
    });
    // Elected again, it goes on with what the process remembers.
    ending.abort();
    await first;
    const again = new AbortController();
    const second = deliverUntil(options, again.signal);
    await waitFor(
      async () => {
        const { num_pending, num_ack_pending } = await jsm.consumers.info(
          "RUNBEAT_ALERTS",
          "sentinel-hook",
        );
        return num_pending + num_ack_pending === 0;
      },
      { what: "nothing is left to be told" },
    );
    again.abort();
    await second;
    expect(told).toEqual(["host_down-1-1", "host_down-1-2"]);
  });
});
