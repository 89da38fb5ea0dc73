/**
 * What the recorded past leads to under some settings: changes of status, restarts, snapshots. It
 * takes only what was recorded and the settings, so that two runs differ by their settings alone.
 */
import type { Alert } from "./alert.ts";
import type { DecideSettings } from "./decide-action.ts";
import { newRunnerMemory } from "./decide-memory.ts";
import type { RunnerMemory } from "./decide-memory.ts";
import type { RunnerEvent } from "./event.ts";
import type { Fleet, FleetEntry } from "./fleet.ts";
import type { RunnerId } from "./runner-id.ts";
import { SimulatedAlerts } from "./simulated-alerts.ts";
import type { SimulatedAlertSettings } from "./simulated-alerts.ts";
import { SimulatedEnforcer } from "./simulated-enforcer.ts";
import type { SimulatedOrder } from "./simulated-enforcer.ts";
import type { RecordedBeat, SimulatedRunner } from "./simulated-runner.ts";
import { SimulatedStatuses } from "./simulated-statuses.ts";
import type { SimulatedChange, SimulatedFacts } from "./simulated-statuses.ts";
import { sample } from "./snapshot.ts";
import type { SampleCause, SampleState } from "./snapshot.ts";
import type { Status, Thresholds } from "./status.ts";

/** What a simulation goes by; the rest of the settings changes nothing of it. */
export interface SimulationSettings {
  readonly thresholds: Thresholds;
  readonly decide: DecideSettings;
  /** Snapshots: at most one a runner in this time. */
  readonly logEverySec: number;
  readonly alerts: SimulatedAlertSettings;
}

export interface SimulationOptions {
  readonly settings: SimulationSettings;
  readonly lists: Pick<Fleet, "restartAllow" | "restartDeny">;
  /** Epoch ms. */
  readonly from: number;
  readonly onChange: (change: SimulatedChange) => void;
  readonly onOrder: (order: SimulatedOrder) => void;
  readonly onAlert: (alert: Alert, at: number) => void;
}

/** A runner as it is when the range begins. */
export interface BeginningRunner {
  readonly runner: RunnerId;
  readonly facts: SimulatedFacts;
  readonly told: Status;
  /** Of the last snapshot, epoch ms. */
  readonly keptAt: number | undefined;
  /** Undefined for a runner that no enforcer runs. */
  readonly managed: Managed | undefined;
}

export interface Managed {
  readonly host: string;
  readonly entry: FleetEntry;
  readonly memory: RunnerMemory | undefined;
  /** Since when its process lives; undefined: it does not. */
  readonly runningSince: number | undefined;
  readonly beat: RecordedBeat | undefined;
}

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #statuses: SimulatedStatuses;
  readonly #alerts: SimulatedAlerts;
  readonly #enforcers = new Map<string, SimulatedEnforcer>();
  readonly #hostOf = new Map<RunnerId, SimulatedEnforcer>();
  readonly #kept = new Map<RunnerId, SampleState>();

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { thresholds, alerts, decide } = options.settings;
    this.#statuses = new SimulatedStatuses(thresholds, options.onChange);
    this.#alerts = new SimulatedAlerts({
      settings: alerts,
      thresholds,
      cooldownSec: decide.restart.cooldownSec,
      from: options.from,
      onRaised: options.onAlert,
    });
  }

  begin({ runner, facts, told, keptAt, managed }: BeginningRunner): void {
    this.#statuses.begin(runner, facts, told, this.#options.from);
    this.#alerts.take(runner, facts);
    if (keptAt !== undefined) this.#kept.set(runner, { keptAt });
    if (managed !== undefined) this.#manage(runner, managed);
  }

  /** The status at the beginning, as these settings have it. */
  statusAt(facts: SimulatedFacts, now: number): Status {
    return this.#statuses.statusAt(facts, now);
  }

  /** @returns why a snapshot of the heartbeat is kept; undefined where none is. */
  takeBeat(
    runner: RunnerId,
    facts: SimulatedFacts,
    beat: RecordedBeat,
    heartbeat: { readonly lastError: string },
  ): SampleCause | undefined {
    const { time } = beat;
    this.#lookUpTo(time - 1);
    this.#statuses.take(runner, facts, time);
    this.#alerts.take(runner, facts);
    const enforcer = this.#hostOf.get(runner);
    enforcer?.advance(time - 1);
    enforcer?.runners.get(runner)?.takeBeat(beat);
    const { logEverySec } = this.#options.settings;
    const cause = sample(this.#kept.get(runner), heartbeat, time, logEverySec);
    if (cause !== undefined) this.#kept.set(runner, { keptAt: time });
    return cause;
  }

  /** A heartbeat of the enforcer of a host. */
  takeSelf(host: string, time: number): void {
    const enforcer = this.#enforcers.get(host);
    enforcer?.advance(time - 1);
    enforcer?.takeSelf(time);
  }

  takeEvent(runner: RunnerId, facts: SimulatedFacts, event: RunnerEvent, time: number): void {
    this.#lookUpTo(time - 1);
    this.#statuses.take(runner, facts, time);
    this.#alerts.take(runner, facts);
    const enforcer = this.#hostOf.get(runner);
    const simulated = enforcer?.runners.get(runner);
    if (enforcer === undefined || simulated === undefined) return;
    enforcer.advance(time - 1);
    takeRecorded(simulated, event, time);
    enforcer.change(runner, (memory) => takeOrder(memory, event.type));
    enforcer.lookSoon(time);
  }

  /** A runner that an enforcer has begun to run. */
  manage(runner: RunnerId, host: string, entry: FleetEntry, time: number): void {
    if (this.#hostOf.has(runner)) return;
    this.#enforcerOf(host).advance(time - 1);
    this.#manage(runner, { host, entry, memory: undefined, runningSince: time, beat: undefined });
  }

  takeGap(from: number, to: number): void {
    this.#lookUpTo(from);
    this.#statuses.takeGap(from, to);
    this.#alerts.takeGap(from, to);
  }

  finish(to: number): void {
    this.#lookUpTo(to);
    this.#statuses.finish(to);
    for (const enforcer of this.#enforcers.values()) enforcer.advance(to);
  }

  /** For alerts everybody must have come as far as the moment that is looked at. */
  #lookUpTo(time: number): void {
    this.#alerts.advance(time, (at) => {
      for (const enforcer of this.#enforcers.values()) enforcer.advance(at);
    });
  }

  #manage(runner: RunnerId, { host, entry, memory, runningSince, beat }: Managed): void {
    const enforcer = this.#enforcerOf(host);
    const simulated = enforcer.add(
      entry,
      memory === undefined ? newRunnerMemory(entry.driver.kind) : { ...memory },
    );
    if (runningSince !== undefined) simulated.begin(runningSince, beat);
    else if (memory !== undefined) simulated.stop();
    this.#hostOf.set(runner, enforcer);
  }

  #enforcerOf(host: string): SimulatedEnforcer {
    const known = this.#enforcers.get(host);
    if (known !== undefined) return known;
    const { settings, lists, from } = this.#options;
    const onOrder = (order: SimulatedOrder): void => {
      this.#alerts.takeOrder(order);
      this.#options.onOrder(order);
    };
    const { decide, thresholds } = settings;
    const made = new SimulatedEnforcer({ settings: decide, thresholds, lists, from, onOrder });
    this.#enforcers.set(host, made);
    return made;
  }
}

function takeRecorded(runner: SimulatedRunner, { type, data }: RunnerEvent, time: number): void {
  const reason = typeof data["reason"] === "string" ? data["reason"] : "";
  const ranSec = typeof data["ran_sec"] === "number" ? data["ran_sec"] : 0;
  if (type === "process_spawned" || type === "process_adopted") runner.takeSpawn(time);
  if (type === "process_stopping") runner.takeStopping(reason);
  if (type === "process_exited") runner.takeEnd(time, ranSec, endText(data));
  if (type === "process_lost") runner.takeEnd(time, ranSec, reason);
  if (type === "restart_scheduled" || type === "restart_exhausted") runner.takePlan(time, reason);
}

function endText({ signal, exit_code: code }: RunnerEvent["data"]): string {
  return typeof signal === "string" ? signal : `exit code ${JSON.stringify(code) ?? "unknown"}`;
}

/** Orders of operators were given whatever the settings. */
function takeOrder(memory: RunnerMemory, type: string): void {
  if (type === "runner_paused") memory.paused = true;
  if (type === "runner_resumed") memory.paused = false;
  if (type === "runner_retired") Object.assign(memory, { wish: "retired", plan: null });
  if (type === "runner_restart_requested") {
    Object.assign(memory, { attempts: 0, wish: "run", down: false, plan: null });
  }
}
