/** Small pieces: statuses and healths with a sign and a word, never by colour alone; links. */
import type { ComponentChildren, JSX } from "preact";
import type { Health } from "../core/heartbeat.ts";
import type { Status } from "../core/status.ts";
import { useShared } from "./hooks.ts";
import { placeText } from "./place.ts";
import type { Place } from "./place.ts";
import type { Span } from "./status-strip.ts";

/** As in the terminal; U+FE0E keeps browsers from drawing a picture. */
export const STATUS_GLYPHS: Readonly<Record<Status, string>> = {
  starting: "◌",
  online: "●",
  stale: "◐",
  missing: "○",
  offline: "✖\uFE0E",
  unknown: "?",
};

export function StatusMark({ status }: { readonly status: Status }): JSX.Element {
  return (
    <span class={`mark s-${status}`}>
      <span class="glyph" aria-hidden="true">
        {STATUS_GLYPHS[status]}
      </span>{" "}
      {status}
    </span>
  );
}

const HEALTH_GLYPHS: Readonly<Record<Health, string>> = {
  healthy: "✓",
  degraded: "!",
  unhealthy: "✖\uFE0E",
};

/** What a runner said of itself while it was heard, and nobody can say now. */
const SILENT: ReadonlySet<Status> = new Set(["missing", "offline", "unknown"]);

interface HealthProps {
  readonly health: Health | null;
  readonly status: Status;
}

/** Faded where it is only what was said last. */
export function HealthMark({ health, status }: HealthProps): JSX.Element {
  if (health === null) return <span class="dim">–</span>;
  const isLast = SILENT.has(status);
  return (
    <span
      class={`mark ${isLast ? "dim" : `h-${health}`}`}
      {...(isLast ? { title: `${health} when it was heard last` } : {})}
    >
      <span class="glyph" aria-hidden="true">
        {HEALTH_GLYPHS[health]}
      </span>{" "}
      {health}
    </span>
  );
}

interface LinkProps {
  readonly to: Place;
  readonly class?: string;
  readonly tabIndex?: number;
  readonly label?: string;
  readonly isCurrent?: boolean;
  readonly children: ComponentChildren;
}

/** A real link; followed without loading the page anew. */
export function Link({ to, children, label, isCurrent, ...rest }: LinkProps): JSX.Element {
  const { go } = useShared();
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(to);
  };
  const more = {
    ...(label === undefined ? {} : { "aria-label": label }),
    ...(isCurrent === true ? ({ "aria-current": "page" } as const) : {}),
  };
  return (
    <a href={placeText(to)} onClick={follow} {...rest} {...more}>
      {children}
    </a>
  );
}

/** @param label what a screen reader says of it. */
export function Strip({
  spans,
  label,
}: {
  readonly spans: readonly Span[];
  readonly label: string;
}): JSX.Element {
  return (
    <svg
      class="strip"
      viewBox="0 0 100 10"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {spans.map(({ from, to, status }, index) => (
        // By its place: all of them move with time, and would be made anew.
        <rect
          key={index}
          class={`s-${status ?? "none"}`}
          x={from * 100}
          y={STRIP_TOPS[status ?? "unknown"]}
          width={(to - from) * 100}
          height={10 - STRIP_TOPS[status ?? "unknown"]}
        />
      ))}
    </svg>
  );
}

/** The worse, the higher: it can be read without its colours. */
const STRIP_TOPS: Readonly<Record<Status, number>> = {
  online: 7,
  starting: 6,
  stale: 5,
  missing: 2.5,
  offline: 0,
  unknown: 8,
};
