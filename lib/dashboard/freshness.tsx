/** Whether what is shown is of now: a page that has heard nothing for a while must not look well. */
import type { JSX } from "preact";
import { useShared, useTick } from "./hooks.ts";
import type { Connection } from "./live-fleet.ts";
import { ageText } from "./text.ts";

const WORDS: Readonly<Record<Connection, string>> = {
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  hidden: "resting",
  key_needed: "locked",
};

export function Freshness(): JSX.Element {
  useTick(500);
  const { live, place } = useShared();
  const isPast = live.isPast || place.at !== undefined;
  if (isPast && live.connection === "live")
    return (
      <span class="freshness still" role="status">
        <span aria-hidden="true">■</span> {live.isPast ? "its clock stands still" : "as it was"}
      </span>
    );
  const lag = live.summary?.as_of.lag_ms;
  return (
    <span class={`freshness ${live.connection}`} role="status">
      <span aria-hidden="true">{live.connection === "live" ? "●" : "○"}</span>{" "}
      {WORDS[live.connection]}
      {live.connection === "live" && lag != null && <span class="dim"> · lag {lag} ms</span>}
    </span>
  );
}

export function StaleBanner(): JSX.Element | null {
  useTick(500);
  const { live } = useShared();
  const isLost = live.connection === "reconnecting";
  document.documentElement.classList.toggle("is-stale", isLost);
  if (isLost && live.summary === undefined) {
    return (
      <div class="banner stale" role="alert">
        Nothing answers: trying again.
      </div>
    );
  }
  if (isLost) {
    return (
      <div class="banner stale" role="alert">
        <b>Old data:</b> nothing was heard for {ageText(live.silenceMs())}. What is shown is from
        before; trying again.
      </div>
    );
  }
  if ((live.summary?.status.unknown ?? 0) > 0 && live.connection === "live") return <BlindBanner />;
  return null;
}

/** It is Runbeat that can't see, not the runners that are gone. */
function BlindBanner(): JSX.Element | null {
  const { live, place } = useShared();
  const unknown = live.summary?.status.unknown ?? 0;
  if (place.at !== undefined || unknown < (live.summary?.total ?? 0)) return null;
  return (
    <div class="banner blind" role="alert">
      Runbeat itself can't tell at present: NATS is out of reach, or the projector is behind.
    </div>
  );
}
