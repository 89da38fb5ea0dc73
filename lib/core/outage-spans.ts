/** What a strip shows of the times in which nobody could see: neither well nor ill, but unknown. */
import type { Status } from "./status.ts";

/** Epoch ms. */
export interface Outage {
  readonly from: number;
  /** Infinity while it lasts. */
  readonly to: number;
}

/** A span with one status; undefined where nobody knows of any. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly status: Status | undefined;
}

/** An alert about the pipeline, as the API lists it. */
export interface OutageItem {
  readonly opened_at: string;
  readonly resolved_at: string | null;
}

export function outagesOf(items: readonly OutageItem[]): Outage[] {
  return items.map(({ opened_at: from, resolved_at: to }) => ({
    from: Date.parse(from),
    to: to === null ? Infinity : Date.parse(to),
  }));
}

/** The same stretches, unknown for as long as an outage lasted: what was told last is no proof. */
export function withOutages(
  stretches: readonly Stretch[],
  outages: readonly Outage[],
): readonly Stretch[] {
  let shown = stretches;
  for (const outage of outages) shown = shown.flatMap((stretch) => cut(stretch, outage));
  return shown;
}

function cut(stretch: Stretch, outage: Outage): Stretch[] {
  const { from, to, status } = stretch;
  const hiddenFrom = Math.max(from, outage.from);
  const hiddenTo = Math.min(to, outage.to);
  if (hiddenFrom >= hiddenTo || status === undefined) return [stretch];
  const parts: Stretch[] = [
    { from, to: hiddenFrom, status },
    { from: hiddenFrom, to: hiddenTo, status: "unknown" },
    { from: hiddenTo, to, status },
  ];
  return parts.filter((part) => part.to > part.from);
}
