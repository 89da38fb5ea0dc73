import { jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterAll, describe, expect, test } from "vitest";
import { PublishWindow } from "../../lib/nats/publish-window.ts";
import type { Refusal } from "../../lib/nats/publish-window.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();
const nc = await connect({ servers: server.url });
const jsm = await jetstreamManager(nc);
await jsm.streams.add({ name: "W", subjects: ["w.>"] });

afterAll(async () => {
  await nc.close();
});

function openWindow(ackTimeoutMs?: number) {
  const stored: [string, number][] = [];
  const refused: [string, Refusal][] = [];
  const silences: string[] = [];
  const window = new PublishWindow<string>({
    nc,
    onStored: (item, seq) => stored.push([item, seq]),
    onRefused: (item, refusal) => refused.push([item, refusal]),
    onSilence: (why) => silences.push(why),
    ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }),
  });
  return { window, stored, refused, silences };
}

describe("the publish window", () => {
  test("tells of each message the sequence that it got, whatever else is under way", async () => {
    const { window, stored } = openWindow();
    const first = (await jsm.streams.info("W")).state.last_seq + 1;
    for (let n = 0; n < 500; n++) window.send(`item ${n}`, "w.a", `${n}`, headers());
    expect(window.inFlight).toBe(500);
    await waitFor(() => stored.length === 500);
    expect(stored).toEqual(Array.from({ length: 500 }, (_, n) => [`item ${n}`, first + n]));
    expect(window.inFlight).toBe(0);
    window.close();
  });

  test("tells of a refusal with its code, and of a subject that no stream takes", async () => {
    const { window, refused, silences } = openWindow();
    const header = headers();
    header.set("Nats-Expected-Last-Subject-Sequence", "777");
    window.send("expected", "w.b", "x", header);
    window.send("nowhere", "nowhere.b", "x", headers());
    await waitFor(() => refused.length === 2);
    const byItem = new Map(refused);
    expect(byItem.get("expected")).toEqual({ code: 10_071, text: "wrong last sequence: 0" });
    expect(byItem.get("nowhere")).toEqual({ code: 503, text: "no stream takes the subject" });
    expect(silences).toEqual([]);
    window.close();
  });

  test("says so when an answer is overdue", async () => {
    nc.subscribe("mute.>", { callback: () => undefined });
    const { window, silences, stored } = openWindow(100);
    window.send("lost", "mute.a", "x", headers());
    await waitFor(() => silences.length > 0);
    expect(silences[0]).toBe("a stream has not answered for 100 ms");
    expect(stored).toEqual([]);
    window.close();
  });
});
