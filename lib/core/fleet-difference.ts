/** What became another between two moments of a fleet. Pure; both are as the read API answers them. */
import type { Health } from "./heartbeat.ts";
import type { Status } from "./status.ts";

/** What is compared of a runner. */
export interface ComparedRunner {
  readonly runner: string;
  readonly status: Status;
  readonly health: Health | null;
  readonly paused: boolean;
  readonly retired: boolean;
  readonly last_error: string;
  readonly interval_sec: number | null;
  readonly process: {
    readonly host: string;
    readonly pid: number;
    readonly started_at: string | null;
    readonly restarts: number;
  } | null;
  readonly heartbeat: { readonly labels: object | null } | null;
}

/** How a process was started. */
export interface ComparedProcess {
  readonly runner: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: string | null;
  readonly effective_args: readonly string[] | null;
  readonly effective_env: Readonly<Record<string, string>> | null;
}

export interface ComparedFleet {
  readonly runners: readonly ComparedRunner[];
  readonly processes: readonly ComparedProcess[];
}

export const CHANGE_KINDS = [
  "appeared",
  "gone",
  "status",
  "health",
  "error",
  "restarts",
  "process",
  "paused",
  "retired",
  "interval",
  "labels",
  "args",
  "env",
] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

export interface Change {
  readonly what: ChangeKind;
  readonly from: string | null;
  readonly to: string | null;
}

export interface RunnerDifference {
  readonly runner: string;
  /** At the later moment; of a runner that is gone, at the earlier one. */
  readonly status: Status;
  readonly changes: readonly Change[];
}

export interface FleetDifference {
  /** Worst first, then by name. */
  readonly runners: readonly RunnerDifference[];
  /** Runners by what changed of them, zeros included. */
  readonly counts: Readonly<Record<ChangeKind, number>>;
}

/** Worst first. */
const SEVERITY: readonly Status[] = [
  "offline",
  "missing",
  "stale",
  "unknown",
  "starting",
  "online",
];

export function compareFleets(before: ComparedFleet, after: ComparedFleet): FleetDifference {
  const [earlier, later] = [traitsOf(before), traitsOf(after)];
  const names = new Set([...earlier.keys(), ...later.keys()]);
  const runners = [...names]
    .map((runner) => differenceOf(runner, earlier.get(runner), later.get(runner)))
    .filter(({ changes }) => changes.length > 0)
    .toSorted(byGravity);
  const counts = Object.fromEntries(CHANGE_KINDS.map((kind) => [kind, 0])) as Record<
    ChangeKind,
    number
  >;
  for (const { changes } of runners) for (const { what } of changes) counts[what] += 1;
  return { runners, counts };
}

/** What is compared, each as text; null where there is none. */
type Traits = Readonly<Record<Exclude<ChangeKind, "appeared" | "gone">, string | null>> & {
  readonly status: Status;
};

function traitsOf({ runners, processes }: ComparedFleet): Map<string, Traits> {
  const started = new Map(processes.map((process) => [processKey(process), process]));
  return new Map(runners.map((runner) => [runner.runner, traits(runner, started)]));
}

function processKey(process: Omit<ComparedProcess, "effective_args" | "effective_env">): string {
  return [process.runner, process.host, process.pid, process.started_at].join("|");
}

function traits(runner: ComparedRunner, started: ReadonlyMap<string, ComparedProcess>): Traits {
  const { process } = runner;
  const own =
    process === null ? undefined : started.get(processKey({ runner: runner.runner, ...process }));
  return {
    status: runner.status,
    health: runner.health,
    error: runner.last_error === "" ? null : runner.last_error,
    restarts: process === null ? null : String(process.restarts),
    process: process === null ? null : `${process.pid} on ${process.host}`,
    paused: String(runner.paused),
    retired: String(runner.retired),
    interval: runner.interval_sec === null ? null : `${runner.interval_sec} s`,
    labels: jsonText(runner.heartbeat?.labels),
    args: jsonText(own?.effective_args),
    env: jsonText(own?.effective_env),
  };
}

/** Keys in one order: what was only said in another order has not changed. */
function jsonText(value: object | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(entries));
}

function differenceOf(
  runner: string,
  before: Traits | undefined,
  after: Traits | undefined,
): RunnerDifference {
  const status = (after ?? before)?.status ?? "unknown";
  if (before === undefined || after === undefined) {
    const what = before === undefined ? "appeared" : "gone";
    const change = { what, from: before?.status ?? null, to: after?.status ?? null } as const;
    return { runner, status, changes: [change] };
  }
  const changes = CHANGE_KINDS.flatMap((what) => {
    if (what === "appeared" || what === "gone" || before[what] === after[what]) return [];
    return [{ what, from: before[what], to: after[what] }];
  });
  return { runner, status, changes };
}

function byGravity(a: RunnerDifference, b: RunnerDifference): number {
  const order = gravity(a) - gravity(b);
  return order === 0 ? (a.runner < b.runner ? -1 : 1) : order;
}

/** Who is gone comes with the worst. */
function gravity({ status, changes }: RunnerDifference): number {
  return changes[0]?.what === "gone" ? -1 : SEVERITY.indexOf(status);
}
