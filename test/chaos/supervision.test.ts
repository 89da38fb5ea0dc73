import { expect, test } from "vitest";
import { runSupervisionChaos } from "./supervision.ts";

test("after kills of enforcer, wrappers and runners nothing is left, doubled, forgotten or told wrongly", async () => {
  const { seed, folder, findings } = await runSupervisionChaos({
    rounds: 4,
    seed: 1 + Math.floor(Math.random() * 1_000_000),
    say: () => undefined,
  });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
}, 120_000);
