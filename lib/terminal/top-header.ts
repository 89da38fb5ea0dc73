/** The head of `runbeat top`: where the figures come from, how old they are, counts and rates. */
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import { formatTime } from "../core/time.ts";
import { ageText, lagText } from "./duration.ts";
import { STATUS_ORDER, wrapParts, zeroDim } from "./status-screen.ts";
import { healthText, paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { fit, harmless } from "./table.ts";
import type { TopFleet } from "./top-fleet.ts";
import type { TopView } from "./top-view.ts";

/** How the figures come here. */
export interface TopLink {
  /** For people: the API's address, or the database. */
  readonly place: string;
  readonly way: "live" | "asked" | "database";
  /** Why nothing comes at present; empty while it does. */
  readonly trouble: string;
  /** Since when nothing was heard, ms. */
  readonly silentMs: number;
  readonly isOld: boolean;
}

export interface TopAlerts {
  readonly open: number;
  readonly critical: number;
}

interface Shown {
  readonly view: TopView;
  readonly fleet: TopFleet;
  readonly nowMs: number;
  /** Epoch ms, whatever moment is shown. */
  readonly presentMs: number;
  readonly link: TopLink;
  readonly alerts: TopAlerts | undefined;
}

export function headerLines(shown: Shown, looks: TerminalLooks): string[] {
  return [
    fit(titleText(shown, looks), looks.width, looks),
    ...countLines(shown, looks),
    ...wrapParts(figureParts(shown, looks), "  ", looks),
  ];
}

function titleText(shown: Shown, looks: TerminalLooks): string {
  const { link, nowMs } = shown;
  const name = paint("runbeat top", "bold", looks);
  const clock = `${formatTime(nowMs).slice(11, 19)} UTC`;
  const place = paint(harmless(link.place), "dim", looks);
  return `${name}  ${stateText(shown, looks)}  ${clock}  ${place}`;
}

/** Nobody is to take what was, or what may be over, for what is. */
function stateText({ view, link, presentMs, fleet }: Shown, looks: TerminalLooks): string {
  if (view.at !== undefined) {
    const text = `PAST ${formatTime(view.at).slice(0, 10)}, ${ageText(presentMs - view.at)}`;
    return paint(text, "magenta", looks);
  }
  if (link.isOld) {
    const why = link.trouble === "" ? "nothing is heard" : harmless(link.trouble);
    return paint(`OLD: ${why}, from ${ageText(link.silentMs)}`, "red", looks);
  }
  if (fleet.isPast) {
    const end = fleet.serverMs(presentMs);
    const text = `PAST ${formatTime(end).slice(0, 10)}, ${ageText(presentMs - end)}, export's end`;
    return paint(text, "magenta", looks);
  }
  if (!fleet.isThere) return paint("connecting", "yellow", looks);
  if (view.isPaused) return paint("PAUSED", "yellow", looks);
  const texts = { live: "live", asked: "asked every 2 s", database: "from the database" };
  const colour = link.way === "live" ? "green" : "yellow";
  return paint(`${looks.unicode ? "●" : "*"} ${texts[link.way]}`, colour, looks);
}

function countLines({ fleet }: Shown, looks: TerminalLooks): string[] {
  const { summary } = fleet;
  if (summary === undefined) return [""];
  const count = summary.total.toLocaleString("en-US");
  const noun = summary.total === 1 ? "runner" : "runners";
  const counts = STATUS_ORDER.map((status) =>
    zeroDim(summary.status[status], statusText(status, looks), looks),
  );
  const total = (text: string): string => paint(text, "bold", looks);
  const ways: readonly (readonly [total: string, gap: string])[] = [
    [`${count} ${noun}:`, "  "],
    [`${count} ${noun}:`, " "],
    [`${count}:`, " "],
  ];
  const tried = ways.map(([text, gap]) => wrapParts([total(text), ...counts], gap, looks));
  return tried.find((lines) => lines.length === 1) ?? tried[0] ?? [];
}

function figureParts({ fleet, view, alerts, link }: Shown, looks: TerminalLooks): string[] {
  const { summary } = fleet;
  if (summary === undefined) return [paint("no figures yet", "dim", looks)];
  const healths = HEALTH_VALUES.map((health) =>
    zeroDim(summary.health[health], healthText(health, looks), looks),
  );
  const isPresent = view.at === undefined && link.way !== "database" && !fleet.isPast;
  return [...healths, ...(isPresent ? rateParts(fleet, looks) : []), ...alertParts(alerts, looks)];
}

function rateParts(fleet: TopFleet, looks: TerminalLooks): string[] {
  const { beats } = fleet.rates();
  const lag = fleet.summary?.as_of.lag_ms ?? null;
  return [
    beats === null ? paint("- beats/s", "dim", looks) : `${rateText(beats)} beats/s`,
    lag === null ? paint("lag not known", "red", looks) : `lag ${lagText(lag)}`,
  ];
}

function rateText(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en-US");
}

function alertParts(alerts: TopAlerts | undefined, looks: TerminalLooks): string[] {
  if (alerts === undefined) return [];
  if (alerts.open === 0) return [paint("0 alerts", "dim", looks)];
  const count = `${alerts.open} ${alerts.open === 1 ? "alert" : "alerts"}`;
  const text = alerts.critical > 0 ? `${count}, ${alerts.critical} critical` : count;
  return [paint(text, alerts.critical > 0 ? "red" : "yellow", looks)];
}
