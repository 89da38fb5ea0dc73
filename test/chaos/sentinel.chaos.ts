/**
 * The long form: `npm run chaos`, with CHAOS_SENTINEL_ROUNDS, CHAOS_OUTAGE_SEC and CHAOS_SEED; the
 * short one is test/sentinel/programs.test.ts.
 */
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { chains, toldChanges } from "../sentinel/sentinel-rig.ts";
import {
  briefOf,
  openSentinelStage,
  postedAlerts,
  subjectsOf,
  untilAll,
  watchStatuses,
} from "../sentinel/sentinel-stage.ts";
import { waitFor } from "../support/wait-for.ts";
import { runSentinelRounds } from "./sentinel-rounds.ts";

const ROUNDS = 30;
const OUTAGE_SEC = 300;
const GREEN_MS = 15_000;
const RUNNERS = Array.from({ length: 100 }, (_, index) => `process/p${index}/default`);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

test("each alert is told once, grouped and with its end, through kills of sentinels and outages of NATS and sinks", async () => {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1 + Math.floor(Math.random() * 1_000_000));
  say(`seed ${seed}`);
  const rounds = Number(process.env["CHAOS_SENTINEL_ROUNDS"] ?? ROUNDS);
  const { folder, findings } = await runSentinelRounds({ rounds, seed, say });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
});

test("minutes without nats-server are one alert about the pipeline, and a hundred runners are green soon after", async () => {
  const stage = await openSentinelStage({});
  try {
    await stage.start();
    stage.runners(RUNNERS, "edge-1", 10).start();
    await untilAll(stage, RUNNERS, "online");
    const told = async () => {
      const nc = await connect({ servers: stage.nats.url });
      try {
        return await toldChanges(nc);
      } finally {
        await nc.close();
      }
    };
    await waitFor(async () => (await told()).length === RUNNERS.length, { what: "all are told" });
    const watch = watchStatuses(stage);
    await stage.nats.stop();
    await delay(Number(process.env["CHAOS_OUTAGE_SEC"] ?? OUTAGE_SEC) * 1_000);
    expect(briefOf(postedAlerts(stage))).toEqual(["raised pipeline_down 1"]);
    await stage.nats.restart();
    const backAt = performance.now();
    await untilAll(stage, RUNNERS, "online");
    const greenMs = performance.now() - backAt;
    say(`all green after ${(greenMs / 1_000).toFixed(1)} s`);
    await waitFor(() => stage.hook.taken.length > 1 && stage.mail.mails.length > 1, {
      what: "its end is told",
      timeoutMs: 60_000,
    });
    expect([...(await watch.stop())].toSorted()).toEqual(["online", "unknown"]);
    expect(greenMs).toBeLessThan(GREEN_MS);
    // What would be told of runners is told after so long at the latest.
    await delay(60_000);
    expect(briefOf(postedAlerts(stage))).toEqual([
      "raised pipeline_down 1",
      "resolved pipeline_down 1",
    ]);
    expect(subjectsOf(stage)).toHaveLength(2);
    expect(new Set(chains(await told()).values())).toEqual(new Set(["unknown online"]));
  } finally {
    await stage.close();
  }
  rmSync(stage.folder, { recursive: true, force: true });
});
