/** Moments as people write them, on the clock of the fleet that is asked. */
import { isRelativeMoment, requireMoment } from "../lib/core/moment.ts";
import type { AsOf } from "./fleet-pages.ts";
import type { ReadApi } from "./read-api.ts";

/**
 * Reads a moment that was given for a flag. A relative one counts from what the fleet shows as
 * now: the clock of an opened export stands where it ends.
 * @returns epoch ms. @throws AppError `invalid`, before anything is asked, for what is no time.
 */
export async function fleetMoment(api: ReadApi, name: string, text: string): Promise<number> {
  const moment = requireMoment(name, text, Date.now());
  if (!isRelativeMoment(text)) return moment;
  const { as_of } = (await api.get("/api/v1/summary")) as { readonly as_of: AsOf };
  return requireMoment(name, text, Date.parse(as_of.time));
}
