/** Silences: asked for on the ALERTS stream, so that they outlive whoever watches. */
import { randomBytes } from "node:crypto";
import { newSilence } from "../lib/core/silence.ts";
import type { Silence, SilenceRequest } from "../lib/core/silence.ts";
import type { Context } from "./context.ts";
import { whoAmI, withOperatorLine } from "./operator.ts";

const ID_BYTES = 4;

/** Asks for one. @throws AppError `invalid` for a wrong pattern or time, `unavailable`. */
export async function addSilence(context: Context, request: SilenceRequest): Promise<Silence> {
  const nowMs = Date.now();
  const id = randomBytes(ID_BYTES).toString("hex");
  const silence = newSilence(request, { id, by: whoAmI(), nowMs });
  await withOperatorLine(context, "runbeat alerts", async (line) => {
    await line.setSilence(silence, nowMs);
  });
  return silence;
}

/** Ends one. @throws AppError `unavailable`. */
export async function liftSilence(context: Context, id: string): Promise<void> {
  await withOperatorLine(context, "runbeat alerts", async (line) => {
    await line.liftSilence(id, whoAmI(), Date.now());
  });
}
