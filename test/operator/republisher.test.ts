import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { mergedReader } from "../../lib/operator/merged-reader.ts";
import { openRepublisher } from "../../lib/operator/republisher.ts";
import type { Republished } from "../../lib/operator/republisher.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

const streams = ["heartbeats", "events"] as const;
let nc: NatsConnection;
let jsm: JetStreamManager;
let other: NatsConnection;
let url: string;

beforeAll(async () => {
  const [server, second] = await Promise.all([startNatsServer(), startNatsServer()]);
  ({ url } = server);
  nc = await connect({ servers: url });
  other = await connect({ servers: second.url });
  jsm = await jetstreamManager(nc);
  await makeStreams(nc);
  const own = headers();
  own.set("Nats-Msg-Id", "e1");
  own.set("Trace", "abc");
  for (let n = 0; n < 40; n++) nc.publish("runbeat.hb.camera.a.hd", `{"n":${n}}`);
  nc.publish("runbeat.ev.camera.a.hd.camera_online", "{}", { headers: own });
  await waitFor(async () => (await jsm.streams.info("RUNBEAT_EVENTS")).state.messages === 1);
  await waitFor(async () => (await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages === 40);
});

afterAll(async () => {
  await nc.close();
  await other.close();
});

function desk(target: NatsConnection, targetPrefix: string) {
  return { source: nc, sourcePrefixes: DEFAULT_PREFIXES, target, targetPrefix, streams };
}

async function copyAll(target: NatsConnection, targetPrefix: string): Promise<Republished> {
  const republisher = await openRepublisher(desk(target, targetPrefix));
  try {
    for await (const message of mergedReader({ nc, jsm, prefixes: DEFAULT_PREFIXES, streams })) {
      await republisher.publish(message);
    }
    return await republisher.finish();
  } finally {
    republisher.close();
  }
}

describe("publishing a range again", () => {
  test("keeps bodies and headers, and says where and when each message was", async () => {
    const subscription = other.subscribe("lab.>", { max: 41 });
    const done = (async () => {
      const got = [];
      for await (const message of subscription) got.push(message);
      return got;
    })();
    await other.flush();
    expect(await copyAll(other, "lab")).toEqual({ published: 41, stored: 0 });
    const got = await done;
    const event = got.find(({ subject }) => subject === "lab.ev.camera.a.hd.camera_online");
    const original = await jsm.streams.getMessage("RUNBEAT_EVENTS", { seq: 1 });
    expect(event?.headers?.get("Trace")).toBe("abc");
    expect(event?.headers?.get("Runbeat-Replay-Stream")).toBe("RUNBEAT_EVENTS");
    expect(event?.headers?.get("Runbeat-Replay-Seq")).toBe("1");
    expect(event?.headers?.get("Runbeat-Replay-Time")).toBe(
      new Date(Math.floor(original?.time.getTime() ?? 0)).toISOString(),
    );
    // It would make a second replay into the same place store nothing.
    expect(event?.headers?.get("Nats-Msg-Id")).toBe("");
    const beats = got.filter(({ subject }) => subject === "lab.hb.camera.a.hd");
    expect(beats.map((message) => message.json())).toEqual(
      Array.from({ length: 40 }, (_, n) => ({ n })),
    );
  });

  test("waits for the streams that store it there, and leaves its own as they were", async () => {
    await makeStreams(other);
    const otherJsm = await jetstreamManager(other);
    expect(await copyAll(other, "runbeat")).toEqual({ published: 41, stored: 41 });
    expect((await otherJsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages).toBe(40);
    expect((await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages).toBe(40);
  });

  test.each(["runbeat", "runbeat.hb", "runbeat.ev.camera"])(
    "refuses the source's own subjects: %s, over another connection too",
    async (prefix) => {
      await expect(openRepublisher(desk(nc, prefix))).rejects.toThrow(/would store everything/);
      const again = await connect({ servers: url });
      await expect(openRepublisher(desk(again, prefix))).rejects.toThrow(/would store everything/);
      await again.close();
    },
  );

  test.each(["", "a b", "a..b", "lab.*", "lab.>"])("refuses %j as a prefix", async (prefix) => {
    await expect(openRepublisher(desk(other, prefix))).rejects.toThrow(/can't begin a subject/);
  });

  test("stops, and says why, when a stream refuses a message", async () => {
    const otherJsm = await jetstreamManager(other);
    await otherJsm.streams.add({ name: "SMALL", subjects: ["small.>"], max_msg_size: 4 });
    await expect(copyAll(other, "small")).rejects.toThrow(/was not stored: message size exceeds/);
  });
});
