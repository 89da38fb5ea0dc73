import { expect, test } from "vitest";
import { runChaos } from "./rounds.ts";
import type { Part } from "./stage.ts";

const PARTS: readonly Part[] = ["nats", "projector", "api"];

test("after kills at random instants every row is right and no acknowledged event is lost", async () => {
  const { seed, folder, findings } = await runChaos({
    rounds: 8,
    heartbeatsPerSec: 1_000,
    runners: 100,
    seed: 1 + Math.floor(Math.random() * 1_000_000),
    parts: PARTS,
    stallPart: 0,
    powerLossPart: 0.3,
    say: () => undefined,
  });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
}, 120_000);
