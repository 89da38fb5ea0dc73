/** Series of single runners, and what is read out of a heartbeat for them. */
import type { Moment, ReadModels, RunnerView } from "../core/read-models.ts";
import { family } from "./metrics-text.ts";
import type { Labels, Sample } from "./metrics-text.ts";

/** More would be more than a Prometheus likes from one target. */
export const MAX_RUNNER_SERIES = 1_000;
const MIB = 2 ** 20;

/** What the heavy part of a heartbeat says, as far as it is there. */
interface BeatFacts {
  /** "" where it is not told. */
  readonly backend: string;
  readonly device: string;
  readonly cameraState: string;
  readonly isThrottled: boolean;
  readonly failingChecks: readonly string[];
  readonly resources: Readonly<Record<string, unknown>>;
}

export function beatFacts({ beat, figures }: RunnerView): BeatFacts {
  const labels = objectOf(beat?.labels ?? null);
  const resources = objectOf(figures?.resources ?? null);
  const checks = Object.entries(objectOf(figures?.checks ?? null));
  return {
    backend: textOf(labels["backend"]),
    device: textOf(labels["device"]),
    cameraState: figures?.camera_state ?? "",
    isThrottled: resources["throttled"] === true,
    failingChecks: checks.filter(([, isOk]) => isOk === false).map(([name]) => name),
    resources,
  };
}

function objectOf(json: string | null): Readonly<Record<string, unknown>> {
  // Most heartbeats of a large fleet have none of these: no need to parse "{}".
  if (json === null || json.length <= 2) return {};
  return JSON.parse(json) as Record<string, unknown>;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The worst runners, each with a few series. */
export function runnerMetrics(models: ReadModels, moment: Moment): string[] {
  const { items } = models.runners(
    {
      kinds: [],
      statuses: [],
      healths: [],
      hosts: [],
      labels: [],
      text: "",
      retired: false,
      sort: { key: "severity", descending: false },
      limit: MAX_RUNNER_SERIES,
      after: undefined,
    },
    moment,
  );
  const found = items.map((view): Found => ({ view, facts: beatFacts(view) }));
  const each: Each = (name, help, value) => {
    const samples = found.flatMap((one): Sample[] => {
      const figure = value(one);
      return figure == null ? [] : [[{ runner: one.view.runner }, figure]];
    });
    return family(name, "gauge", help, samples);
  };
  return [...stateMetrics(found, each, moment.now), ...figureMetrics(each)];
}

interface Found {
  readonly view: RunnerView;
  readonly facts: BeatFacts;
}

type Each = (
  name: string,
  help: string,
  value: (found: Found) => number | null | undefined,
) => string;

function stateMetrics(found: readonly Found[], each: Each, now: number): string[] {
  const states = found.map(({ view, facts }): Sample => [stateLabels(view, facts), 1]);
  const about = "What the runner is and how it is; always 1.";
  return [
    family("runbeat_runner_state", "gauge", about, states),
    each("runbeat_runner_up", "Whether the runner is online.", ({ view: { status } }) =>
      status.status === "unknown" ? null : Number(status.status === "online"),
    ),
    each(
      "runbeat_runner_heartbeat_age_seconds",
      "Age of its last heartbeat.",
      ({ view: { beat } }) => beat && Math.max(0, now - beat.last_heartbeat_at) / 1_000,
    ),
    each("runbeat_runner_restarts", "Processes before this one.", ({ view }) => view.restarts),
    each("runbeat_runner_has_error", "Whether its last heartbeat has an error.", ({ view }) =>
      view.figures === undefined ? null : Number(view.figures.last_error !== ""),
    ),
  ];
}

function stateLabels({ runner, status, current }: RunnerView, facts: BeatFacts): Labels {
  const { backend, device } = facts;
  return { runner, status: status.status, host: current?.host ?? "", backend, device };
}

/** A resource in its base unit. */
function scaled(name: string, factor: number): (found: Found) => number | null {
  return ({ facts }) => {
    const value = facts.resources[name];
    return typeof value === "number" ? value * factor : null;
  };
}

function figureMetrics(each: Each): string[] {
  return [
    each("runbeat_runner_fps", "Frames a second.", ({ view }) => view.figures?.fps),
    each(
      "runbeat_runner_latency_seconds",
      "From a picture or request to its answer.",
      ({ view }) => (view.figures?.latency_ms == null ? null : view.figures.latency_ms / 1_000),
    ),
    each("runbeat_runner_cpu_cores", "Cores that it uses.", scaled("cpu_percent", 0.01)),
    each("runbeat_runner_memory_bytes", "Memory that it uses.", scaled("memory_mb", MIB)),
    each("runbeat_runner_vram_bytes", "Memory of GPUs that it uses.", scaled("vram_mb", MIB)),
    each("runbeat_runner_throttled", "Whether it says that it is throttled.", ({ facts }) =>
      typeof facts.resources["throttled"] === "boolean" ? Number(facts.isThrottled) : null,
    ),
    each("runbeat_runner_checks_failing", "How many of its checks fail.", ({ view, facts }) =>
      view.figures?.checks == null ? null : facts.failingChecks.length,
    ),
  ];
}
