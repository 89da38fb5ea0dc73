import { describe, expect, it } from "vitest";
import { shiftTimes } from "../../lib/core/decide-memory.ts";
import { Rig, SETTINGS, idOf } from "./decide-rig.ts";

const A = "process/a/default";
const ONE = `runners: { ${A}: { command: [a] } }`;
const FOUR = `runners: { ${["a", "b", "c", "d"].map((n) => `process/${n}/default: { command: [x] }`).join(", ")} }`;

describe("deciding what to do about an exit", () => {
  it("starts what should run, and again after 5, 15 and 45 s, then cools down for 600 and counts anew", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(700);
    expect(rig.story(A)).toEqual([
      "0 start 0",
      "1 restart_scheduled",
      "6 start 1",
      "7 restart_scheduled",
      "22 start 2",
      "23 restart_scheduled",
      "68 start 3",
      "69 restart_exhausted",
      "669 restart_reset",
      "669 restart_scheduled",
      "669 start 1",
      "670 restart_scheduled",
      "685 start 2",
      "686 restart_scheduled",
    ]);
    expect(rig.done.filter(({ action }) => action.kind === "settle")).toHaveLength(6);
  });

  it("forgets failures after a run that was long enough", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(20);
    rig.lifeMs = Infinity;
    rig.pass(400);
    expect(rig.memory.runners[A]?.attempts).toBe(0);
    expect(rig.story(A).at(-1)).toMatch(/^32\d restart_reset$/);
    rig.kill(A);
    rig.pass(6);
    expect(rig.story(A).at(-1)).toMatch(/start 1$/);
  });

  it("tries what only a change can mend slowly", () => {
    const rig = new Rig(ONE);
    rig.isPermanent = true;
    rig.lifeMs = 1_000;
    rig.pass(650);
    expect(rig.story(A)).toEqual([
      "0 start 0",
      "1 restart_scheduled",
      "601 start 1",
      "602 restart_scheduled",
    ]);
  });

  it.each([
    [`restart_deny: ["process/*/*"]`, {}, /^unhealthy but in deny list/],
    [`restart_allow: ["camera/*/*"]`, {}, /not in allow list/],
    [`restart_allow: ["${A}"]\nrestart_deny: ["${A}"]`, {}, /in deny list/],
    ["", { maxAttempts: 0 }, /MAX_RESTART_ATTEMPTS is 0/],
    ["", { isEnabled: false }, /SUPERVISOR_ENABLED/],
  ])("starts it once and then only tells, where restarts are denied: %s %o", (lists, set, why) => {
    const restart = { ...SETTINGS.restart, ...set };
    const rig = new Rig(`${lists}\n${ONE}`, { restart });
    rig.lifeMs = 1_000;
    rig.pass(2_000);
    expect(rig.story(A)).toEqual(["0 start 0", "1 restart_denied"]);
    expect(rig.done.find(({ action }) => "type" in action)?.action).toMatchObject({
      data: { why: expect.stringMatching(why) as string },
    });
    expect(rig.notes()[0]).toMatch(/ - alerting only$/);
  });

  it("restarts it once the lists allow it", () => {
    const rig = new Rig(`restart_deny: ["${A}"]\n${ONE}`);
    rig.lifeMs = 1_000;
    rig.pass(10);
    rig.lifeMs = Infinity;
    rig.reload(ONE);
    rig.pass(10);
    expect(rig.story(A).slice(2)).toEqual(["10 restart_scheduled", "15 start 1"]);
  });

  it("drops a planned restart when its runner is denied meanwhile", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(3);
    rig.reload(`restart_deny: ["${A}"]\n${ONE}`);
    rig.pass(1_000);
    expect(rig.story(A)).toEqual(["0 start 0", "1 restart_scheduled", "6 restart_denied"]);
  });
});

describe("deciding what to do about silence", () => {
  it("ends and restarts what has missed three checks, as an attempt", () => {
    const rig = new Rig(ONE);
    rig.pass(400);
    rig.hang(A);
    rig.pass(130);
    expect(rig.story(A).slice(2)).toEqual(["480 restart_scheduled", "480 stop", "485 start 1"]);
    expect(rig.notes()).toEqual([
      `${A} missing heartbeat (1 consecutive miss)`,
      `${A} missing heartbeat (2 consecutive misses)`,
      `${A} missing heartbeat (3 consecutive misses)`,
      expect.stringMatching(/^restart of .* in 5 s \(attempt 1\/3\): missing heartbeat/),
      `Attempting restart of ${A} (attempt 1/3)`,
      `Successfully restarted ${A}`,
    ]);
  });

  it("begins no second cooldown when what hangs ends in the first, and tries again after it", () => {
    const rig = new Rig(ONE);
    rig.world.muffled.add(idOf(A));
    rig.pass(400);
    expect(rig.story(A).at(-1)).toMatch(/restart_exhausted$/);
    rig.kill(A);
    rig.pass(700);
    const story = rig.story(A).map((line) => line.replace(/^\d+ /, ""));
    const from = story.indexOf("restart_exhausted");
    expect(story.slice(from, from + 4)).toEqual([
      "restart_exhausted",
      "restart_reset",
      "restart_scheduled",
      "start 1",
    ]);
  });

  it("counts a runner that never beats after its start grace", () => {
    const rig = new Rig(ONE);
    rig.world.muffled.add(idOf(A));
    rig.pass(100);
    expect(rig.story(A)).toContain("75 restart_scheduled");
  });

  it("leaves a container alone that has never beaten, and restarts one that has", () => {
    const rig = new Rig(`runners: { service/api/main: { docker: { container: api } } }`);
    rig.world.muffled.add(idOf("service/api/main"));
    rig.pass(600);
    expect(rig.story("service/api/main")).toEqual(["0 start 0", "300 restart_reset"]);
    rig.world.muffled.clear();
    rig.pass(60);
    rig.hang("service/api/main");
    rig.pass(120);
    expect(rig.story("service/api/main")).toContain("735 stop");
  });

  it("does nothing while the pipeline is away, nor in the grace period after", () => {
    const rig = new Rig(ONE);
    rig.pass(100);
    rig.world.beginOutage();
    rig.pass(900);
    rig.world.endOutage();
    rig.pass(300);
    expect(rig.story(A)).toEqual(["0 start 0", "300 restart_reset"]);
  });

  it("restarts after the grace period what stays silent", () => {
    const rig = new Rig(ONE);
    rig.pass(100);
    rig.world.beginOutage();
    rig.hang(A);
    rig.pass(100);
    rig.world.endOutage();
    rig.pass(200);
    expect(rig.story(A).slice(1)).toEqual(["300 restart_scheduled", "300 stop", "305 start 1"]);
  });

  it("tells once of a fleet that falls silent at the same moment, and restarts nobody", () => {
    const rig = new Rig(FOUR);
    rig.pass(400);
    for (const runner of rig.fleet.runners.keys()) rig.world.muffled.add(runner);
    rig.pass(900);
    const self = "service/enforcer/edge-1";
    expect(rig.story(self)).toHaveLength(1);
    expect(rig.done.find(({ action }) => action.runner === self)?.action).toMatchObject({
      type: "check_failed",
      data: { check: "fleet_silence", value: 4 },
    });
    rig.hang(A);
    rig.world.muffled.clear();
    rig.pass(400);
    expect(rig.story(self)).toHaveLength(2);
    expect(rig.story("process/b/default")).toEqual(["0 start 0", "300 restart_reset"]);
    // The one that really hangs is dealt with then.
    expect(rig.story(A).filter((line) => line.endsWith("stop"))).toHaveLength(1);
  });

  it("restarts two of four that fall silent: that may be their own", () => {
    const rig = new Rig(FOUR);
    rig.pass(400);
    rig.hang(A);
    rig.hang("process/b/default");
    rig.pass(200);
    expect(rig.story(A)).toContain("480 stop");
  });

  it("tells of a denied runner that hangs once, and again after it was well", () => {
    const rig = new Rig(`restart_deny: ["process/*/*"]\n${ONE}`);
    rig.pass(350);
    rig.world.muffled.add(idOf(A));
    rig.pass(600);
    rig.world.muffled.clear();
    rig.pass(60);
    rig.world.muffled.add(idOf(A));
    rig.pass(600);
    const told = rig.story(A).filter((line) => line.endsWith("restart_denied"));
    expect(told).toHaveLength(2);
    expect(rig.story(A).some((line) => line.endsWith("stop"))).toBe(false);
  });

  it.each([-86_400_000, 86_400_000])("restarts nobody because the clock was set by %i ms", (by) => {
    const rig = new Rig(ONE);
    rig.pass(100);
    rig.world.clockOffset += by;
    rig.pass(600);
    expect(rig.story(A).map((line) => line.replace(/^\d+ /, ""))).toEqual([
      "start 0",
      "restart_reset",
    ]);
  });

  it.each([-86_400_000, 86_400_000])("waits as long when the clock is set by %i ms", (by) => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    rig.world.clockOffset += by;
    rig.pass(540);
    expect(rig.story(A).at(-1)).toBe("69 restart_exhausted");
    rig.pass(60);
    expect(rig.story(A).some((line) => /^6[678]\d start 1$/.test(line))).toBe(true);
  });
});

describe("deciding about limits", () => {
  const LIMITED = `runners: { ${A}: { command: [a], limits: { memory_mb: 100, for_sec: 30 } } }`;

  it("restarts what exceeds one without a pause for long enough, and says why", () => {
    const rig = new Rig(LIMITED);
    rig.pass(10);
    rig.figures = { memoryMb: 150 };
    rig.pass(31);
    rig.figures = { memoryMb: 90 };
    rig.pass(30);
    rig.figures = { memoryMb: 150 };
    expect(rig.story(A)).toEqual(["0 start 0"]);
    rig.pass(60);
    expect(rig.story(A).map((line) => line.replace(/^\d+ /, ""))).toEqual([
      "start 0",
      "limit_exceeded",
      "restart_scheduled",
      "stop",
      "start 1",
    ]);
    const event = rig.done.find(({ action }) => "type" in action)?.action;
    expect(event).toMatchObject({
      data: { limit: "memory_mb", value: 150, max: 100, for_sec: 30 },
    });
  });

  it("only tells where restarts are denied", () => {
    const rig = new Rig(`restart_deny: ["process/*/*"]\n${LIMITED}`);
    rig.figures = { memoryMb: 150 };
    rig.pass(600);
    expect(rig.story(A).map((line) => line.replace(/^\d+ /, ""))).toEqual([
      "start 0",
      "limit_exceeded",
      "restart_denied",
    ]);
  });
});

describe("deciding after the fleet file has changed", () => {
  it("ends what is gone, starts what is new, and leaves the rest alone", () => {
    const rig = new Rig(ONE);
    rig.pass(20);
    rig.reload(`runners: { process/b/default: { command: [b] } }`);
    rig.pass(20);
    expect(rig.story(A)).toEqual(["0 start 0", "20 stop"]);
    expect(rig.story("process/b/default")).toEqual(["20 start 0"]);
    expect(rig.memory.runners[A]).toBeUndefined();
  });

  it("restarts what is run in another way, and nothing for what is only watched in another way", () => {
    const rig = new Rig(ONE);
    rig.pass(20);
    rig.reload(`runners: { ${A}: { command: [a], restart: { max_attempts: 9 } } }`);
    rig.pass(20);
    expect(rig.story(A)).toEqual(["0 start 0"]);
    rig.reload(`runners: { ${A}: { command: [a, b] } }`);
    rig.pass(20);
    expect(rig.story(A)).toEqual(["0 start 0", "40 stop", "41 start 0"]);
  });

  it("starts at once what was given up, when its entry is mended", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    rig.lifeMs = Infinity;
    rig.reload(`runners: { ${A}: { command: [better] } }`);
    expect(rig.story(A).at(-1)).toBe("100 start 0");
  });

  it("does not restart a denied runner for a change, and says so", () => {
    const rig = new Rig(`restart_deny: ["${A}"]\n${ONE}`);
    rig.pass(20);
    rig.reload(`restart_deny: ["${A}"]\nrunners: { ${A}: { command: [other] } }`);
    rig.pass(60);
    expect(rig.story(A)).toEqual(["0 start 0", "20 restart_denied"]);
    expect(rig.isAlive(A)).toBe(true);
  });

  it("never ends a container because it is no longer listed", () => {
    const rig = new Rig(`runners: { service/api/main: { docker: { container: api } } }`);
    rig.pass(20);
    rig.reload("runners: {}");
    rig.pass(60);
    expect(rig.story("service/api/main")).toEqual(["0 start 0"]);
  });
});

describe("an enforcer that was killed", () => {
  it("goes on counting where it was", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(30);
    rig.killEnforcer(10);
    rig.pass(40);
    expect(rig.story(A).slice(-2)).toEqual(["68 start 3", "69 restart_exhausted"]);
  });

  it("starts nothing twice and restarts nothing that lives", () => {
    const rig = new Rig(ONE);
    rig.pass(100);
    rig.killEnforcer(300);
    rig.pass(100);
    expect(rig.story(A).filter((line) => line.includes("start 0"))).toEqual(["0 start 0"]);
  });

  it("takes an exit that it did not see for what it was", () => {
    const rig = new Rig(ONE);
    rig.pass(100);
    rig.kill(A);
    rig.killEnforcer(50);
    expect(rig.story(A).at(-1)).toBe("150 restart_scheduled");
  });

  it("keeps all its waits when its times are moved", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    expect(shiftTimes(shiftTimes(rig.memory, 5_000), -5_000)).toEqual(rig.memory);
  });
});
