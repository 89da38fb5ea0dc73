import { describe, expect, it } from "vitest";
import { simulate } from "./simulator.ts";

const HISTORIES = 1_300;
const WEEK_MS = 7 * 86_400_000;
/** Set to play one history again, e.g. RUNBEAT_SIM_SEED=17. */
const ONE_SEED = process.env["RUNBEAT_SIM_SEED"];
const FIRST_SEED = 1;

describe("deciding, over many random histories", () => {
  it(
    "never restarts too often, denied, double or for our own outage, and brings everything back",
    { timeout: 120_000 },
    () => {
      const seeds =
        ONE_SEED === undefined
          ? Array.from({ length: HISTORIES }, (_, index) => FIRST_SEED + index)
          : [Number(ONE_SEED)];
      let simulatedMs = 0;
      let restarts = 0;
      for (const seed of seeds) {
        const history = simulate(seed);
        simulatedMs += history.simulatedMs;
        restarts += history.restarts;
      }
      if (ONE_SEED !== undefined) return;
      expect(simulatedMs).toBeGreaterThan(7 * WEEK_MS);
      expect(restarts).toBeGreaterThan(HISTORIES);
    },
  );

  it("plays the same history again for the same seed", () => {
    expect(simulate(4711)).toEqual(simulate(4711));
  });
});
