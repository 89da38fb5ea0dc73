import type { MarkedTable } from "../store/mark-image.ts";
import type { AnyProjection } from "../../projections/projection.ts";

/** What a mark holds: the tables that tell statuses. */
export function markedTables(projections: readonly AnyProjection[]): MarkedTable[] {
  return projections
    .filter(({ tellsStatus }) => tellsStatus)
    .map(({ name, version, table }) => ({ name, version, table }));
}
