import { streamName } from "../lib/core/subject.ts";
import type { Followed } from "../lib/api/pipeline-watch.ts";
import { FLEET_PROJECTIONS } from "../lib/store/read-fleet-index.ts";
import { projections } from "../projections/index.ts";
import type { Context } from "./context.ts";
import { prefixesOf } from "./stream-options.ts";

/** What statuses follow from, and the stream that each is folded from. */
export function followedProjections({ settings }: Context): Followed[] {
  const prefixes = prefixesOf(settings);
  return projections
    .filter(({ name }) => (FLEET_PROJECTIONS as readonly string[]).includes(name))
    .map(({ name, stream }) => ({ projection: name, stream: streamName(prefixes, stream) }));
}
