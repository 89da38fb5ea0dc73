/** The long form: `npm run chaos`; CHAOS_SEED, CHAOS_REBUILD_ROUNDS, _RATE (a second), _RUNNERS. */
import { expect, test } from "vitest";
import { runRebuildChaos } from "./rebuild-rounds.ts";

const ROUNDS = 50;

test("many rebuilds killed at random instants under load lose nothing, and show nobody an empty or half table", async () => {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1 + Math.floor(Math.random() * 1_000_000));
  process.stderr.write(`seed ${seed}\n`);
  const { folder, findings } = await runRebuildChaos({
    rounds: Number(process.env["CHAOS_REBUILD_ROUNDS"] ?? ROUNDS),
    heartbeatsPerSec: Number(process.env["CHAOS_REBUILD_RATE"] ?? 5_000),
    runners: Number(process.env["CHAOS_REBUILD_RUNNERS"] ?? 2_000),
    seed,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
});
