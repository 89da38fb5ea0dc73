import { afterEach, describe, expect, it } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import type { StoredHeartbeat } from "../../lib/api/stream-access.ts";
import { newMemory, newRunnerMemory } from "../../lib/core/decide-memory.ts";
import type { EnforcerMemory } from "../../lib/core/decide-memory.ts";
import { CLEAR_VIEW } from "../../lib/core/status.ts";
import type { PipelineView } from "../../lib/core/status.ts";
import { formatTime } from "../../lib/core/time.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { SETTINGS } from "../core/decide-rig.ts";
import { T } from "../store/read-fixture.ts";
import { apiFixture, fixedMonitor, noStreams } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const DOOR = "camera/door/hd";
const PATH = `/api/v1/runners/${DOOR}/explain`;
const ENFORCER = parseRunnerId("service/enforcer/edge-1");
const FLEET = `runners: { ${DOOR}: { command: [watch, door] } }`;

let api: ApiFixture | undefined;

afterEach(() => {
  api?.assertNoFaults();
  api?.close();
  api = undefined;
});

interface World {
  readonly fleet?: string;
  readonly view?: PipelineView;
  readonly trouble?: string;
  readonly stored?: readonly StoredHeartbeat[];
  readonly memory?: EnforcerMemory;
}

/** The API at T = 2023-11-14 22:13:20 UTC, with an enforcer that beats. */
async function open(world: World = {}): Promise<ApiFixture> {
  const { fleet = FLEET, view = CLEAR_VIEW, trouble, stored = [], memory } = world;
  const parsed = parseFleet(fleet, {}, "fleet.yaml");
  api = await apiFixture({
    monitor: fixedMonitor({ moment: () => ({ now: T, view }), trouble: () => trouble }),
    streams: {
      ...noStreams(),
      heartbeats: () => Promise.resolve({ items: stored.toReversed(), hasMore: false }),
    },
    rules: {
      current: () => ({ fleet: parsed, settings: SETTINGS, memory }),
      enforcerOf: () => ENFORCER,
    },
  });
  const declared = [...parsed.runners.values()].map(({ runner, driver, intervalSec }) => ({
    runner,
    driver: driver.kind,
    intervalSec,
  }));
  api.models.declare(declared, T - 100_000);
  api.rows.beat({ runner: ENFORCER, last_heartbeat_at: T - 2_000 });
  return api;
}

function heartbeat(seq: number, agoMs: number, more: object = {}): StoredHeartbeat {
  const body = { pid: 100, host: "edge-1", started_at: T - 60_000, seq, ...more };
  return { seq: 1_000 + seq, timeMs: T - agoMs, data: Buffer.from(JSON.stringify(body)) };
}

async function headline(of: ApiFixture): Promise<string> {
  const { status, body } = await of.ask(PATH);
  expect(status).toBe(200);
  return body.headline as string;
}

type Facts = { text: string; evidence: { stream: string; seq: number } | null }[];

async function facts(of: ApiFixture, key: string): Promise<string[]> {
  const { body } = await of.ask(PATH);
  const section = (body.sections as { key: string; facts: Facts }[]).find((one) => one.key === key);
  return (section?.facts ?? []).map(({ text, evidence }) =>
    evidence === null ? text : `${text} [${evidence.stream} ${evidence.seq}]`,
  );
}

const RUNNING = { runner: DOOR, state: "running", announced_at: T - 60_000 } as const;
const ENDED = {
  ...RUNNING,
  state: "exited",
  exit_code: 1,
  ended_at: T - 12_000,
} as const;
const planned = (agoMs: number, data: object, type = "restart_scheduled") => ({
  runner: DOOR,
  type,
  time: T - agoMs,
  by: "enforcer@edge-1",
  data: JSON.stringify(data),
});

describe("the headline says the status, why, and what comes next", () => {
  it("of a runner that beats", async () => {
    const { rows } = await open();
    rows.announced(RUNNING);
    rows.beat({ runner: DOOR, last_heartbeat_at: T - 3_200 });
    expect(await headline(api as ApiFixture)).toBe(
      "camera/door/hd is online: it beat 3.2 s ago and promises a heartbeat every 10 s.",
    );
  });

  it.each([
    [
      31_200,
      "camera/door/hd is stale: it has not beaten for 31.2 s, though it promises a heartbeat every 10 s (more than 15 s is stale). It becomes missing at 22:13:33, in 13.8 s, unless it beats. Next, restart 1 of 3 is planned after 5 s, and it is ended (missing heartbeat (3 consecutive misses)), at 22:14:18, in 58.8 s.",
    ],
    [
      80_000,
      "camera/door/hd is missing: it has not beaten for 80 s, though it promises a heartbeat every 10 s (more than 45 s is missing). It becomes offline at 22:14:00, in 40 s, unless it beats. Next, restart 1 of 3 is planned after 5 s, and it is ended (missing heartbeat (3 consecutive misses)), at 22:13:30, in 10 s.",
    ],
    [
      300_000,
      "camera/door/hd is offline: it has not beaten for 5m 00s, though it promises a heartbeat every 10 s (more than 120 s is offline). Next, restart 1 of 3 is planned after 5 s, and it is ended (missing heartbeat (3 consecutive misses)), at the enforcer's next look.",
    ],
  ])("of one that has been silent for %i ms", async (silenceMs, expected) => {
    const { rows } = await open();
    rows.announced({ ...RUNNING, announced_at: T - 400_000, started_at: T - 400_000 });
    rows.beat({ runner: DOOR, started_at: T - 400_000, last_heartbeat_at: T - silenceMs });
    expect(await headline(api as ApiFixture)).toBe(expected);
  });

  it("of one that was just started", async () => {
    const { rows } = await open();
    rows.announced({ ...RUNNING, state: "starting", announced_at: T - 4_000 });
    expect(await headline(api as ApiFixture)).toMatch(
      /^camera\/door\/hd is starting: its process was started 4 s ago and is given 30 s for its first heartbeat\. It becomes offline at 22:13:46, in 26 s, unless it beats\./,
    );
  });

  it("of one that never beat, and of one that nobody has ever seen", async () => {
    const { rows } = await open();
    expect(await headline(api as ApiFixture)).toBe(
      "camera/door/hd is offline: it is in the fleet file, but nothing was ever heard of it. Next, it is started, at the enforcer's next look.",
    );
    rows.announced({ ...RUNNING, state: "starting", announced_at: T - 45_000 });
    expect(await headline(api as ApiFixture)).toMatch(
      /is offline: its process was started 45 s ago and has never beaten\./,
    );
  });

  it.each([
    [
      "waits for its restart",
      [planned(12_000, { attempt: 2, delay_sec: 15, reason: "exit code 1" })],
      "Next, it is started (restart 2 of 3), at 22:13:23, in 3 s.",
    ],
    [
      "is in its cooldown",
      [
        planned(
          12_000,
          { attempt: 3, cooldown_until: formatTime(T + 588_000), reason: "exit code 1" },
          "restart_exhausted",
        ),
      ],
      "Next, its failures are forgotten (the cooldown is over), and restart 1 of 3 is planned at once (exit code 1), and it is started (restart 1 of 3), at 22:23:08, in 9m 48s.",
    ],
  ])("of one that %s", async (_name, events, ending) => {
    const { rows } = await open();
    rows.announced(ENDED);
    for (const event of events) rows.event(event);
    expect(await headline(api as ApiFixture)).toBe(
      `camera/door/hd is offline: its process (pid 100 on edge-1) exited with code 1 at 22:13:08, 12 s ago. ${ending}`,
    );
  });

  it("of one that may not be restarted", async () => {
    const { rows } = await open({ fleet: `restart_deny: ["camera/*/*"]\n${FLEET}` });
    rows.announced(ENDED);
    rows.event(
      planned(12_000, { why: "unhealthy but in deny list (camera/*/*)" }, "restart_denied"),
    );
    expect(await headline(api as ApiFixture)).toMatch(
      / 12 s ago\. It is not restarted: unhealthy but in deny list \(camera\/\*\/\*\)\.$/,
    );
  });

  it("of one that an operator stopped or paused", async () => {
    const { rows } = await open();
    rows.announced({ ...ENDED, state: "killed", signal: "SIGTERM" });
    rows.event(planned(13_000, { reason: "it was stopped by an operator" }, "process_stopping"));
    expect(await headline(api as ApiFixture)).toMatch(
      /was ended by SIGTERM at 22:13:08, 12 s ago\.$/,
    );
    rows.restart({ runner: DOOR, paused: 1 });
    rows.event(planned(2_000, {}, "runner_paused"));
    expect(await headline(api as ApiFixture)).toMatch(/ It is paused\.$/);
  });

  it("of any while Runbeat itself can't see", async () => {
    const { rows } = await open({
      view: { blindSince: T - 65_000, lastBlind: null },
      trouble: "connection refused",
    });
    rows.beat({ runner: DOOR, last_heartbeat_at: T - 70_000 });
    expect(await headline(api as ApiFixture)).toBe(
      "camera/door/hd is unknown: Runbeat itself can't tell since 22:12:15, for NATS does not answer; that says nothing of the runner.",
    );
  });

  it("of one that calls itself unhealthy, and of two processes that both beat", async () => {
    const { rows } = await open();
    rows.beat({
      runner: DOOR,
      health: "unhealthy",
      last_error: "no picture",
      rival_at: T - 4_000,
      rival_host: "edge-2",
      rival_pid: 7,
      rival_started_at: T - 90_000,
    });
    expect(await headline(api as ApiFixture)).toMatch(
      / It calls itself unhealthy: no picture\. Two live processes beat for it\.$/,
    );
  });
});

describe("an explanation", () => {
  it("shows late and lost heartbeats with their sequences", async () => {
    const { rows } = await open({
      stored: [
        heartbeat(1, 52_000),
        heartbeat(2, 42_000),
        heartbeat(5, 12_000),
        heartbeat(6, 2_000),
      ],
    });
    rows.beat({ runner: DOOR, last_heartbeat_at: T - 2_000 });
    expect(await facts(api as ApiFixture, "heartbeats")).toEqual([
      "Promised is one every 10 s, but 1 of 3 came late: the longest wait was 30 s. [RUNBEAT_HEARTBEATS 1005]",
      "Its own count leaps to 5: 2 heartbeats before it did not arrive. [RUNBEAT_HEARTBEATS 1005]",
    ]);
    const { body } = await (api as ApiFixture).ask(PATH);
    expect(body.heartbeats.at(-2)).toMatchObject({
      seq: 1_005,
      gap_ms: 30_000,
      late: true,
      lost: 2,
    });
  });

  it("applies the rule with the runner's own promise", async () => {
    const { rows } = await open();
    rows.beat({ runner: DOOR, interval_sec: 30, last_heartbeat_at: T - 40_000 });
    expect(await facts(api as ApiFixture, "status")).toEqual([
      "The last heartbeat of its current process is 40 s old (22:12:40, by the stream's clock).",
      "Up to 45 s is online, up to 135 s stale, up to 360 s missing, more is offline.",
      "It promises a heartbeat every 30 s, 3 times the usual 10 s, so every age is 3 times as long.",
      "It becomes stale at 22:13:25, in 5 s, if no heartbeat comes.",
    ]);
  });

  it("says that nobody knows of the enforcer while nobody can see", async () => {
    const { rows } = await open({ view: { blindSince: T - 5_000, lastBlind: null } });
    rows.beat({ runner: DOOR, last_heartbeat_at: T - 7_000 });
    expect(await facts(api as ApiFixture, "enforcer")).toEqual([
      "Whether the enforcer of its host (service/enforcer/edge-1) runs can't be told at present.",
    ]);
  });

  it("says that nothing is started while no enforcer runs there", async () => {
    const { rows } = await open();
    rows.beat({ runner: ENFORCER, last_heartbeat_at: T - 500_000 });
    rows.announced(ENDED);
    expect((await facts(api as ApiFixture, "enforcer")).join()).toMatch(
      /enforcer of its host \(service\/enforcer\/edge-1\) is offline: until one runs there/,
    );
    expect((await (api as ApiFixture).ask(PATH)).body.next).toBeNull();
  });

  it.each([
    [["process/a/default", "process/b/default", "process/c/default"], "an end"],
    [[DOOR, "process/b/default", "process/c/default"], "no end"],
  ])("of a silence together with %j foretells %s", async (members, end) => {
    const own = { ...newRunnerMemory("command"), run: { since: T - 400_000, from: T - 400_000 } };
    const memory = {
      ...newMemory("m", T - 1_000),
      hush: { members, from: T - 90_000, heardAt: null },
      runners: { [DOOR]: { ...own, hasBeaten: true, misses: 2 } },
    };
    const { rows } = await open({ memory });
    rows.announced({ ...RUNNING, announced_at: T - 400_000, started_at: T - 400_000 });
    rows.beat({ runner: DOOR, started_at: T - 400_000, last_heartbeat_at: T - 80_000 });
    const { body } = await (api as ApiFixture).ask(PATH);
    if (end === "an end") expect(body.next.text).toMatch(/^restart 1 of 3 is planned after 5 s/);
    else expect(body.next).toBeNull();
  });

  it("remembers a planned restart behind any number of other events", async () => {
    const { rows } = await open();
    rows.announced(ENDED);
    rows.event(planned(12_000, { attempt: 2, delay_sec: 15, reason: "exit code 1" }));
    for (let second = 0; second < 150; second++) {
      rows.event(planned(9_000, { reason: "no picture" }, "camera_degraded"));
    }
    const { body } = await (api as ApiFixture).ask(PATH);
    expect(body.next).toEqual({
      at: formatTime(T + 3_000),
      text: "it is started (restart 2 of 3)",
    });
  });

  it("is given of what can be read where the streams can't be", async () => {
    const fixture = await apiFixture();
    api = fixture;
    fixture.rows.beat({ runner: DOOR });
    expect(await facts(fixture, "heartbeats")).toEqual([
      "They can't be read at present: NATS is out of reach.",
    ]);
  });

  it("masks passwords that others have written", async () => {
    const { rows } = await open();
    rows.beat({ runner: DOOR, last_error: "can't open rtsp://viewer:hunter2@10.0.0.7/" });
    const { body } = await (api as ApiFixture).ask(PATH);
    expect(JSON.stringify(body)).not.toContain("hunter2");
  });

  it("of nobody is a problem that names who may have been meant", async () => {
    const { rows } = await open();
    rows.beat({ runner: DOOR });
    const { status, body } = await (api as ApiFixture).ask(
      "/api/v1/runners/process/door/main/explain",
    );
    expect(status).toBe(404);
    expect(body.detail).toMatch(/Did you mean camera\/door\/hd\?$/);
  });
});
