import { describe, expect, it } from "vitest";
import { Rig } from "./decide-rig.ts";

const A = "process/a/default";
const ONE = `runners: { ${A}: { command: [a] } }`;

/** Without their seconds. */
function story(rig: Rig): string[] {
  return rig.story(A).map((line) => line.replace(/^\d+ /, ""));
}

describe("orders", () => {
  it("restart waits for no back-off, needs no list, and begins a new count", () => {
    const rig = new Rig(`restart_deny: ["${A}"]\n${ONE}`);
    rig.pass(20);
    expect(rig.order(A, "restart", "new password")).toBe(`${A} is being restarted`);
    rig.pass(5);
    expect(rig.story(A)).toEqual([
      "0 start 0",
      "20 runner_restart_requested",
      "20 stop",
      "21 start 0",
    ]);
    rig.lifeMs = 1_000;
    rig.order(A, "restart");
    rig.pass(30);
    expect(story(rig).slice(-4)).toEqual([
      "runner_restart_requested",
      "stop",
      "start 0",
      "restart_denied",
    ]);
  });

  it("restart ends a cooldown", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    rig.lifeMs = Infinity;
    rig.order(A, "restart");
    expect(rig.story(A).at(-1)).toBe("100 start 0");
    expect(rig.memory.runners[A]?.attempts).toBe(0);
  });

  it("stop ends it and keeps it ended, also over a restart of the enforcer, until start", () => {
    const rig = new Rig(ONE);
    rig.pass(20);
    expect(rig.order(A, "stop")).toBe(`${A} is being stopped and stays so`);
    rig.pass(600);
    rig.killEnforcer(60);
    rig.pass(600);
    expect(rig.story(A)).toEqual(["0 start 0", "20 restart_reset", "20 stop"]);
    expect(rig.order(A, "start")).toBe(`${A} is being started`);
    expect(story(rig).at(-1)).toBe("start 0");
    expect(rig.order(A, "start")).toBe(`${A} runs already`);
  });

  it("stop says that it is meant to be so also where nothing runs any more", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    expect(rig.order(A, "stop", "it fails")).toBe(`${A} stays stopped`);
    rig.pass(1_000);
    expect(story(rig).at(-1)).toBe("restart_reset");
  });

  it("pause leaves it alone whatever happens, and resume looks after it again", () => {
    const rig = new Rig(ONE);
    rig.pass(400);
    rig.order(A, "pause");
    rig.hang(A);
    rig.pass(600);
    rig.reload(`runners: { ${A}: { command: [other] } }`);
    rig.kill(A);
    rig.pass(600);
    expect(story(rig)).toEqual(["start 0", "restart_reset", "runner_paused"]);
    rig.order(A, "resume");
    expect(story(rig).slice(-2)).toEqual(["runner_resumed", "start 0"]);
    expect(rig.order(A, "resume")).toBe(`${A} was not paused`);
  });

  it("reset begins a new count and ends a cooldown", () => {
    const rig = new Rig(ONE);
    rig.lifeMs = 1_000;
    rig.pass(100);
    rig.lifeMs = Infinity;
    expect(rig.order(A, "reset")).toBe(`${A} has a new count of restarts and is being started`);
    expect(story(rig).slice(-2)).toEqual(["restart_reset", "start 0"]);
  });

  it("retire ends it for good, and says so in its time line", () => {
    const rig = new Rig(ONE);
    rig.pass(20);
    rig.order(A, "retire", "sold");
    rig.pass(100);
    expect(story(rig)).toEqual(["start 0", "runner_retired", "stop"]);
    expect(rig.isAlive(A)).toBe(false);
  });

  it("counts no end that an order brought about as a failure", () => {
    const rig = new Rig(ONE);
    rig.pass(20);
    rig.kill(A);
    rig.world.passTo(rig.world.now + 1);
    rig.order(A, "restart");
    rig.pass(60);
    expect(story(rig)).toEqual(["start 0", "runner_restart_requested", "start 0"]);
  });
});
