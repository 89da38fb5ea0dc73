import { expect, test } from "vitest";
import { runRebuildChaos } from "./rebuild-rounds.ts";

test("rebuilds killed at random instants lose nothing, and show nobody an empty or half table", async () => {
  const { seed, folder, findings } = await runRebuildChaos({
    rounds: 4,
    heartbeatsPerSec: 500,
    runners: 100,
    seed: 1 + Math.floor(Math.random() * 1_000_000),
    say: () => undefined,
  });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
}, 120_000);
