/** The long form: `npm run chaos`, with CHAOS_SUPERVISION_ROUNDS and CHAOS_SEED. */
import { expect, test } from "vitest";
import { runSupervisionChaos } from "./supervision.ts";

const ROUNDS = 100;

test("after many kills of enforcer, wrappers and runners nothing is left, doubled, forgotten or told wrongly", async () => {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1 + Math.floor(Math.random() * 1_000_000));
  process.stderr.write(`seed ${seed}\n`);
  const { folder, findings } = await runSupervisionChaos({
    rounds: Number(process.env["CHAOS_SUPERVISION_ROUNDS"] ?? ROUNDS),
    seed,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  expect({ seed, folder, findings }).toEqual({ seed, folder, findings: [] });
});
