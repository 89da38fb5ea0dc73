/** The sentinel as a program among others, each of which can be killed or go away. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import {
  SHORT,
  briefOf,
  openSentinelStage,
  postedAlerts,
  seenRunners,
  subjectsOf,
  untilAll,
  watchStatuses,
} from "./sentinel-stage.ts";
import type { SentinelStage } from "./sentinel-stage.ts";
import { chains, toldChanges } from "./sentinel-rig.ts";
import type { ToldChange } from "./sentinel-rig.ts";

const HERE = Array.from({ length: 6 }, (_, index) => `process/here${index}/default`);
const THERE = Array.from({ length: 5 }, (_, index) => `camera/there${index}/hd`);
const HUNDRED = Array.from({ length: 100 }, (_, index) => `process/p${index}/default`);
/** Several programs start here on what may be a busy machine. */
const WAIT = { timeoutMs: 60_000 };
const OFFLINE_MS = Number(SHORT.HEARTBEAT_OFFLINE_SEC) * 1_000;

function notedSinks({ folder }: SentinelStage): number {
  const text = readFileSync(join(folder, "data", "sentinel.json"), "utf8");
  return (JSON.parse(text) as { reached: readonly string[] }).reached.length;
}

describe("the sentinel's program", { timeout: 240_000 }, () => {
  let stage: SentinelStage;

  beforeEach(async () => {
    stage = await openSentinelStage(SHORT);
  });

  afterEach(async () => {
    await stage.close();
    rmSync(stage.folder, { recursive: true, force: true });
  });

  async function changes(): Promise<readonly ToldChange[]> {
    const nc = await connect({ servers: stage.nats.url });
    try {
      return await toldChanges(nc);
    } finally {
      await nc.close();
    }
  }

  /** The sentinel watches, and has told that each is online. */
  async function untilTold(names: readonly string[]): Promise<void> {
    await waitFor(
      async () => {
        const online = (await changes()).filter(({ to }) => to === "online");
        return new Set(online.map(({ runner }) => runner)).size === names.length;
      },
      { what: "each is told to be online", ...WAIT },
    );
  }

  it("tells each sink of a killed host once, although one was away and the sentinel was killed", async () => {
    await stage.start();
    stage.runners(HERE, "edge-1").start();
    const there = stage.runners(THERE, "edge-2");
    there.start();
    await untilTold([...HERE, ...THERE]);
    stage.hook.setAway(true);
    await there.kill9();
    await waitFor(() => stage.hook.refused() > 0 && stage.mail.mails.length > 0, {
      what: "one sink is told and the other refuses",
      ...WAIT,
    });
    await stage.sentinel.kill9();
    stage.sentinel.start();
    stage.hook.setAway(false);
    // What was handed to the killed one is handed out again after its time to answer.
    await waitFor(() => stage.hook.taken.length > 0, { what: "it is told", ...WAIT });
    there.start();
    await waitFor(() => stage.hook.taken.length > 1 && stage.mail.mails.length > 1, {
      what: "its end is told",
      ...WAIT,
    });
    expect(briefOf(postedAlerts(stage))).toEqual(["raised host_down 5", "resolved host_down 5"]);
    expect(subjectsOf(stage)).toEqual([
      expect.stringContaining("[CRITICAL] Host edge-2 is down"),
      expect.stringContaining("[RESOLVED] Host edge-2 is down"),
    ]);
    await waitFor(
      async () => {
        const text = await (await fetch(`${stage.url}/metrics`)).text();
        const wanted = [
          "runbeat_sentinel_up 1",
          'runbeat_sink_deliveries_total{sink="mail",result="taken"}',
          'runbeat_sink_pending{sink="hook"} 0',
        ];
        return wanted.every((line) => text.includes(`\n${line}`));
      },
      { what: "the sentinel's own figures", ...WAIT },
    );
  });

  it("tells of an outage of nats-server alone, once, with its end, although it was killed in it", async () => {
    await stage.start();
    stage.runners(HUNDRED, "edge-1").start();
    await untilAll(stage, HUNDRED, "online");
    await untilTold(HUNDRED);
    const watch = watchStatuses(stage);
    await stage.nats.stop();
    await waitFor(() => stage.hook.taken.length > 0 && stage.mail.mails.length > 0, {
      what: "it is told",
      ...WAIT,
    });
    // Killed between a sink's answer and its own note of it, it would rightly tell again.
    await waitFor(() => notedSinks(stage) === 2, { what: "it has noted so", ...WAIT });
    await stage.sentinel.kill9();
    stage.sentinel.start();
    // Any of them would be offline by the age of its last heartbeat.
    await waitFor(
      async () =>
        (await seenRunners(stage)).every(
          (one) => Date.now() - Date.parse(one.last_heartbeat_at ?? "") > OFFLINE_MS,
        ),
      { what: "they were silent for long", ...WAIT },
    );
    await stage.nats.restart();
    await untilAll(stage, HUNDRED, "online");
    await waitFor(() => stage.hook.taken.length > 1 && stage.mail.mails.length > 1, {
      what: "its end is told",
      ...WAIT,
    });
    expect([...(await watch.stop())].toSorted()).toEqual(["online", "unknown"]);
    expect(briefOf(postedAlerts(stage))).toEqual([
      "raised pipeline_down 1",
      "resolved pipeline_down 1",
    ]);
    expect(stage.mail.mails).toHaveLength(2);
    expect(new Set(chains(await changes()).values())).toEqual(new Set(["unknown online"]));
  });
});
