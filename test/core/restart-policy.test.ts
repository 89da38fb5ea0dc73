import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  NO_FAILURES,
  afterEnd,
  restartDenial,
  restartSettings,
} from "../../lib/core/restart-policy.ts";
import type { RestartDecision, RestartSettings } from "../../lib/core/restart-policy.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";

const SETTINGS: RestartSettings = {
  isEnabled: true,
  backoffSec: [5, 15, 45],
  maxAttempts: 3,
  cooldownSec: 600,
  stableSec: 300,
};
const NOW = 1_700_000_000_000;
const FLEET = { restartAllow: undefined, restartDeny: [] };

/** What follows from runs of these lengths, one after the other. */
function decisions(ranSec: readonly number[], settings = SETTINGS): RestartDecision[] {
  let memory = NO_FAILURES;
  return ranSec.map((ran) => {
    const end = { ranSec: ran, reason: "exit code 1", at: NOW };
    const after = afterEnd(memory, end, settings, undefined);
    memory = after.memory;
    return after.decision;
  });
}

describe("the restart policy", () => {
  it("restarts after 5, 15 and 45 seconds, then cools down for 600 and starts counting again", () => {
    const reason = "exit code 1";
    expect(decisions([1, 1, 1, 1, 1])).toEqual([
      { kind: "restart", attempt: 1, delaySec: 5, reason },
      { kind: "restart", attempt: 2, delaySec: 15, reason },
      { kind: "restart", attempt: 3, delaySec: 45, reason },
      { kind: "exhausted", attempts: 3, cooldownUntil: NOW + 600_000, reason },
      { kind: "restart", attempt: 1, delaySec: 5, reason },
    ]);
  });

  it("forgets failures after a run that was long enough", () => {
    expect(decisions([1, 1, 299, 1])).toMatchObject([
      {},
      {},
      { attempt: 3 },
      { kind: "exhausted" },
    ]);
    expect(decisions([1, 1, 300, 1])).toMatchObject([{}, {}, { attempt: 1 }, { attempt: 2 }]);
  });

  it("repeats the last delay where more attempts are allowed than delays given", () => {
    const settings = { ...SETTINGS, maxAttempts: 5, backoffSec: [1, 2] };
    const delays = decisions([0, 0, 0, 0, 0], settings).map((decision) =>
      decision.kind === "restart" ? decision.delaySec : null,
    );
    expect(delays).toEqual([1, 2, 2, 2, 2]);
  });

  it("never restarts more often in a row than it may", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(400), { maxLength: 200 }),
        fc.integer({ min: 1, max: 5 }),
        (runs, max) => {
          let inRow = 0;
          const settings = { ...SETTINGS, maxAttempts: max };
          for (const [index, decision] of decisions(runs, settings).entries()) {
            if ((runs[index] ?? 0) >= settings.stableSec) inRow = 0;
            inRow = decision.kind === "restart" ? inRow + 1 : 0;
            expect(inRow).toBeLessThanOrEqual(max);
            if (decision.kind === "restart") expect(decision.attempt).toBe(inRow);
          }
        },
      ),
    );
  });

  it.each([
    ["allowed where nothing is said", FLEET, SETTINGS, undefined],
    [
      "denied by the deny list",
      { ...FLEET, restartDeny: ["process/*/*"] },
      SETTINGS,
      "unhealthy but in deny list (process/*/*)",
    ],
    [
      "denied by the deny list although it is allowed",
      { restartAllow: ["process/bidder/default"], restartDeny: ["*/bidder/*"] },
      SETTINGS,
      "unhealthy but in deny list (*/bidder/*)",
    ],
    [
      "denied where the allow list has others only",
      { ...FLEET, restartAllow: ["camera/*/*"] },
      SETTINGS,
      "unhealthy but not in allow list",
    ],
    [
      "denied where nothing is allowed",
      { ...FLEET, restartAllow: [] },
      SETTINGS,
      "unhealthy but not in allow list",
    ],
    [
      "denied without a supervisor",
      FLEET,
      { ...SETTINGS, isEnabled: false },
      "the supervisor is switched off (SUPERVISOR_ENABLED)",
    ],
    [
      "denied without attempts",
      FLEET,
      { ...SETTINGS, maxAttempts: 0 },
      "no restarts are allowed (MAX_RESTART_ATTEMPTS is 0)",
    ],
  ])("is %s", (_, fleet, settings, why) => {
    const runner = parseRunnerId("process/bidder/default");
    expect(restartDenial(fleet, settings, runner)).toBe(why);
    const end = { ranSec: 1, reason: "exit code 1", at: NOW };
    const { memory, decision } = afterEnd(NO_FAILURES, end, settings, why);
    expect(decision.kind).toBe(why === undefined ? "restart" : "denied");
    if (why !== undefined) expect(memory).toBe(NO_FAILURES);
  });

  it("lets a runner's own settings win", () => {
    const own = { backoffSec: [1], maxAttempts: undefined, cooldownSec: 0, stableSec: undefined };
    expect(restartSettings(SETTINGS, own)).toEqual({
      ...SETTINGS,
      backoffSec: [1],
      cooldownSec: 0,
    });
  });
});
