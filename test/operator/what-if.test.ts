import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_RULES } from "../../lib/core/alert-rules.ts";
import { runnerId } from "../../lib/core/runner-id.ts";
import type { SimulationSettings } from "../../lib/core/simulation.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import type { MergedMessage } from "../../lib/operator/stream-feed.ts";
import { WhatIfPass } from "../../lib/operator/what-if.ts";
import type { WhatIfReport } from "../../lib/operator/what-if.ts";

const T0 = Date.UTC(2026, 0, 5, 3, 0, 0);
const SEC = 1_000;
const HOST = "edge-1";
const CAMERA = "camera/yard/hd";

const DEFAULTS: SimulationSettings = {
  thresholds: DEFAULT_THRESHOLDS,
  decide: {
    restart: {
      isEnabled: true,
      backoffSec: [5, 15, 45],
      maxAttempts: 3,
      cooldownSec: 600,
      stableSec: 300,
    },
    missThreshold: 3,
    checkEverySec: 15,
    intervalSec: 10,
    outageGraceSec: 60,
    hushShare: 0.5,
    hushMin: 3,
    self: runnerId({ kind: "service", name: "enforcer", profile: HOST }),
  },
  logEverySec: 60,
  alerts: {
    rules: DEFAULT_RULES,
    groupWaitSec: 5,
    growEverySec: 60,
    resolveAfterSec: 30,
    flapWindowSec: 600,
    hushShare: 0.5,
    hushMin: 3,
  },
};

/** A recorded past, written down by hand: times in seconds after three o'clock. */
class Past {
  readonly messages: { at: number; message: MergedMessage }[] = [];
  readonly #seqs = { heartbeats: 0, events: 0 };

  beat(atSec: number, runner: string, body: object = {}): this {
    return this.#add("heartbeats", atSec, runner, "", { pid: 7, host: HOST, ...body });
  }

  /** Every ten seconds, ends included. */
  beats(fromSec: number, toSec: number, runner = CAMERA, body: object = {}): this {
    for (let at = fromSec; at <= toSec; at += 10) this.beat(at, runner, body);
    return this;
  }

  event(atSec: number, type: string, data: object = {}, runner = CAMERA): this {
    const process = type.startsWith("process_") ? { host: HOST, pid: 7, started_at: 1 } : {};
    return this.#add("events", atSec, runner, `.${type}`, {
      by: `enforcer@${HOST}`,
      ...process,
      ...data,
    });
  }

  #add(key: "heartbeats" | "events", atSec: number, runner: string, end: string, body: object) {
    const seq = ++this.#seqs[key];
    const subject = `runbeat.${key === "events" ? "ev" : "hb"}.${runner.replaceAll("/", ".")}${end}`;
    const data = Buffer.from(JSON.stringify(body));
    const time = T0 + atSec * SEC;
    const rest = { runner: undefined, type: "", headers: undefined, stream: key };
    this.messages.push({ at: atSec, message: { key, seq, time, subject, data, ...rest } });
    return this;
  }

  whatIf(changed: SimulationSettings, toSec: number, baseline = DEFAULTS): WhatIfReport {
    const pass = new WhatIfPass({
      prefixes: DEFAULT_PREFIXES,
      baseline,
      changed,
      fleet: undefined,
      from: T0,
      to: T0 + toSec * SEC,
      state: undefined,
      isReported: () => true,
    });
    for (const { message } of this.messages.toSorted((a, b) => a.at - b.at)) pass.take(message);
    return pass.finish();
  }
}

function thresholds(change: Partial<typeof DEFAULT_THRESHOLDS>): SimulationSettings {
  return { ...DEFAULTS, thresholds: { ...DEFAULTS.thresholds, ...change } };
}

function restart(change: Partial<SimulationSettings["decide"]["restart"]>): SimulationSettings {
  const decide = { ...DEFAULTS.decide, restart: { ...DEFAULTS.decide.restart, ...change } };
  return { ...DEFAULTS, decide };
}

function examples({ examples }: WhatIfReport): string[] {
  return examples.map(
    ({ difference, at, byMs, text }) => `${difference} ${(at - T0) / SEC} ${text} ${byMs / SEC}`,
  );
}

/** A camera that ran, crashed at 100 and was started again at 105. */
function crash(): Past {
  return new Past()
    .event(0, "process_spawned", { attempt: 0, argv: [], env: {} })
    .beats(1, 91)
    .event(100, "process_exited", { exit_code: 1, signal: null, ran_sec: 100, stderr: [] })
    .event(100, "restart_scheduled", { attempt: 1, delay_sec: 5, reason: "exit code 1" })
    .event(105, "process_spawned", { pid: 8, started_at: 2, attempt: 1, argv: [], env: {} })
    .beats(106, 406, CAMERA, { pid: 8 });
}

describe("what-if", () => {
  test("a shorter threshold moves the change that it decides, and leaves the others", () => {
    const past = new Past().beats(0, 100).beats(300, 400);
    const report = past.whatIf(thresholds({ staleSec: 30 }), 400);
    expect(report.transitions).toEqual({ baseline: 5, changed: 5, missed: 0, added: 0, moved: 1 });
    expect(examples(report)).toEqual(["moved 145.001 stale to missing -15"]);
  });

  test("a longer threshold does away with the changes that it forgives", () => {
    const past = new Past().beats(0, 100).beats(120, 200);
    const report = past.whatIf(thresholds({ onlineSec: 25 }), 200);
    expect(examples(report)).toEqual([
      "missed 115.001 online to stale 0",
      "missed 120 stale to online 0",
    ]);
    const back = past.whatIf(DEFAULTS, 200, thresholds({ onlineSec: 25 }));
    expect(back.transitions).toMatchObject({ missed: 0, added: 2, moved: 0 });
  });

  test("other rates of snapshots keep other heartbeats, errors always", () => {
    const past = new Past().beats(0, 120).beat(125, CAMERA, { last_error: "x" }).beats(130, 170);
    const half = past.whatIf({ ...DEFAULTS, logEverySec: 30 }, 170);
    expect(half.snapshots).toEqual({ baseline: 4, changed: 7, missed: 0, added: 3, moved: 0 });
    const none = past.whatIf({ ...DEFAULTS, logEverySec: 0 }, 170);
    expect(none.snapshots).toEqual({ baseline: 4, changed: 0, missed: 4, added: 0, moved: 0 });
  });

  test("a longer back-off restarts later", () => {
    const report = crash().whatIf(restart({ backoffSec: [20] }), 400);
    expect(report.restarts).toEqual({ baseline: 1, changed: 1, missed: 0, added: 0, moved: 1 });
    expect(report.recorded.restarts).toBe(1);
    expect(examples(report)).toEqual(["moved 105 restart, attempt 1 15"]);
  });

  test("without attempts a crash is told, and nothing is restarted", () => {
    const report = crash().whatIf(restart({ maxAttempts: 0 }), 400);
    expect(report.restarts).toMatchObject({ baseline: 1, changed: 0, missed: 1 });
    expect(report.denied).toMatchObject({ baseline: 0, changed: 1, added: 1 });
  });

  test("fewer attempts are used up sooner", () => {
    const past = crash()
      .event(410, "process_exited", { pid: 8, started_at: 2, exit_code: 1, ran_sec: 5 })
      .event(425, "process_spawned", { pid: 9, started_at: 3, attempt: 2 });
    const short = { stableSec: 3_600 };
    const report = past.whatIf(restart({ ...short, maxAttempts: 1 }), 440, restart(short));
    expect(report.restarts).toMatchObject({ baseline: 2, changed: 1, missed: 1 });
    expect(report.exhausted).toMatchObject({ baseline: 0, changed: 1, added: 1 });
  });

  test("a process that hung is found by its silence, later where more misses are allowed", () => {
    const past = new Past()
      .event(0, "process_spawned", { attempt: 0, argv: [], env: {} })
      .beats(1, 101)
      // What the recorded enforcer then did is no end of the process's own.
      .event(181, "restart_scheduled", {
        attempt: 1,
        delay_sec: 5,
        reason: "missing heartbeat (3 consecutive misses)",
      })
      .event(181, "process_stopping", { reason: "missing heartbeat (3 consecutive misses)" })
      .event(182, "process_exited", {
        exit_code: null,
        signal: "SIGTERM",
        ran_sec: 182,
        stderr: [],
      })
      .event(187, "process_spawned", { pid: 8, started_at: 2, attempt: 1, argv: [], env: {} })
      .beats(188, 500, CAMERA, { pid: 8 });
    const patient = { ...DEFAULTS, decide: { ...DEFAULTS.decide, missThreshold: 5 } };
    const report = past.whatIf(patient, 500);
    expect(report.restarts).toEqual({ baseline: 1, changed: 1, missed: 0, added: 0, moved: 1 });
    expect(report.examples[0]).toMatchObject({ what: "restart", byMs: 30_000 });
  });

  test("what is over before anybody looks is told by nobody", () => {
    const past = new Past()
      .event(0, "process_spawned", { attempt: 0, argv: [], env: {} })
      .beats(0.1, 20.1);
    const { transitionsBy } = past.whatIf(DEFAULTS, 30);
    expect([...transitionsBy.keys()]).toEqual(["unknown to online"]);
  });

  test("an alert that a longer threshold forgives is missed, one that it delays is moved", () => {
    const past = new Past().beats(0, 100).beats(300, 400);
    const late = past.whatIf(thresholds({ offlineSec: 140 }), 400);
    expect(late.alerts).toEqual({ baseline: 1, changed: 1, missed: 0, added: 0, moved: 1 });
    expect(late.examples.find(({ what }) => what === "alert")).toMatchObject({
      text: expect.stringContaining("alert runner_offline"),
      runner: CAMERA,
      byMs: 20_000,
    });
    const never = past.whatIf(thresholds({ offlineSec: 250 }), 400);
    expect(never.alerts).toEqual({ baseline: 1, changed: 0, missed: 1, added: 0, moved: 0 });
  });

  test("an end that an operator asked for restarts nothing", () => {
    const past = new Past()
      .event(0, "process_spawned", { attempt: 0, argv: [], env: {} })
      .beats(1, 91)
      .event(95, "process_stopping", { reason: "it was stopped by an operator" })
      .event(96, "process_exited", { exit_code: 0, signal: null, ran_sec: 96, stderr: [] });
    expect(past.whatIf(DEFAULTS, 600).restarts).toMatchObject({ baseline: 0, changed: 0 });
  });

  test("a time in which nobody is heard is held against nobody", () => {
    const past = new Past();
    for (const name of ["a", "b", "c"]) {
      past.beats(0, 100, `camera/${name}/hd`).beats(400, 500, `camera/${name}/hd`);
    }
    expect(past.whatIf(DEFAULTS, 500).transitionsBy.has("online to stale")).toBe(false);
    // One of two that falls silent is another matter.
    past.beats(110, 390, "camera/a/hd");
    expect(past.whatIf(DEFAULTS, 500).transitionsBy.get("online to stale")?.baseline).toBe(2);
  });

  test("an unchanged setting makes no difference, whatever happened", () => {
    const step = fc.record({
      at: fc.integer({ min: 0, max: 900 }),
      runner: fc.constantFrom("camera/a/hd", "worker/b/default", "process/c/default"),
      what: fc.constantFrom(
        "beat",
        "beat",
        "beat",
        "process_spawned",
        "process_exited",
        "process_stopping",
        "process_lost",
        "restart_scheduled",
        "runner_paused",
        "runner_resumed",
        "runner_retired",
        "runner_restart_requested",
      ),
      pid: fc.integer({ min: 7, max: 9 }),
      error: fc.boolean(),
    });
    const settings = fc.record({
      onlineSec: fc.integer({ min: 5, max: 30 }),
      staleSec: fc.integer({ min: 31, max: 60 }),
      missThreshold: fc.integer({ min: 1, max: 4 }),
      maxAttempts: fc.integer({ min: 0, max: 3 }),
      logEverySec: fc.integer({ min: 0, max: 90 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), settings, (steps, given) => {
        const past = new Past();
        for (const { at, runner, what, pid, error } of steps) {
          if (what === "beat") past.beat(at, runner, { pid, last_error: error ? "x" : "" });
          else past.event(at, what, { pid, exit_code: 1, reason: error ? "x" : "" }, runner);
        }
        const { onlineSec, staleSec, missThreshold, maxAttempts, logEverySec } = given;
        const make = (): SimulationSettings => ({
          ...thresholds({ onlineSec, staleSec }),
          decide: { ...restart({ maxAttempts }).decide, missThreshold },
          logEverySec,
        });
        const report = past.whatIf(make(), 1_000, make());
        expect(report.isSame).toBe(true);
        expect(report.examples).toEqual([]);
        expect(report.transitions.baseline).toBe(report.transitions.changed);
      }),
      { numRuns: 150 },
    );
  });
});
