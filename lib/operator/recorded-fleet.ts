/** The fleet as it was recorded, message by message: what a simulation is given. */
import { currentProcess, livenessOf } from "../core/current-process.ts";
import { isStopOrder } from "../core/decide-orders.ts";
import { MEMORABLE, supposedRunner } from "../core/supposed-memory.ts";
import type { Fleet, FleetEntry } from "../core/fleet.ts";
import type { TimelineView } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { RecordedBeat } from "../core/simulated-runner.ts";
import type { SimulatedFacts } from "../core/simulated-statuses.ts";
import type { BeginningRunner, Managed } from "../core/simulation.ts";
import type { Status } from "../core/status.ts";
import { rowStore } from "../store/row-store.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { LatestHeartbeatRow, ProcessLifecycleRow, RestartStateRow } from "../store/tables.ts";
import { latestHeartbeat } from "../../projections/latest-heartbeat.ts";
import { processLifecycle } from "../../projections/process-lifecycle.ts";
import type { EventMessage, HeartbeatMessage } from "../../projections/projection.ts";
import { restartState } from "../../projections/restart-state.ts";

/** Who runs runners, as their events say: `enforcer@host`. */
const ENFORCER = /^enforcer@(.+)$/;

interface Recorded {
  beat: LatestHeartbeatRow | undefined;
  readonly announced: Map<string, ProcessLifecycleRow>;
  restart: RestartStateRow | undefined;
}

export class RecordedFleet {
  readonly #fleet: Fleet | undefined;
  readonly #runners = new Map<string, Recorded>();
  /** By runner: the host whose enforcer runs it. */
  readonly #hosts = new Map<string, string>();

  /** @param fleet the fleet file's, as it is now: of what it was then nothing is kept. */
  constructor(fleet: Fleet | undefined) {
    this.#fleet = fleet;
  }

  get size(): number {
    return this.#runners.size;
  }

  /** Takes over what the read models of the range's beginning say. */
  begin(db: SqliteDatabase, statusAt: (facts: SimulatedFacts) => Status): BeginningRunner[] {
    this.#readBeats(db);
    this.#readAnnounced(db);
    this.#readRestarts(db);
    const kept = lastSnapshots(db);
    const events = rememberedEvents(db);
    return [...this.#runners.keys()].map((name) => {
      const runner = name as RunnerId;
      const facts = this.#facts(runner);
      return {
        runner,
        facts,
        told: statusAt(facts),
        keptAt: kept.get(runner),
        managed: this.#managed(runner, events.get(runner) ?? []),
      };
    });
  }

  takeBeat(message: HeartbeatMessage): SimulatedFacts {
    const { runner } = message.runner;
    const recorded = this.#recorded(runner);
    recorded.beat = latestHeartbeat.evolve(recorded.beat, message) ?? recorded.beat;
    return this.#facts(runner as RunnerId);
  }

  takeEvent(message: EventMessage): SimulatedFacts {
    const recorded = this.#recorded(message.runner.runner);
    const key = processLifecycle.key(message);
    if (key !== undefined) {
      const row = processLifecycle.evolve(recorded.announced.get(key), message);
      if (row !== undefined) recorded.announced.set(key, row);
    }
    recorded.restart = restartState.evolve(recorded.restart, message) ?? recorded.restart;
    return this.#facts(message.runner.runner as RunnerId);
  }

  /** The enforcer's host that the event says runs the runner, and how; undefined: none. */
  managedBy({ runner, event }: EventMessage): { host: string; entry: FleetEntry } | undefined {
    if (event.type !== "process_spawned" && event.type !== "process_adopted") return undefined;
    const host = ENFORCER.exec(event.by)?.[1];
    const entry = this.#entryOf(runner.runner as RunnerId);
    return host === undefined || entry === undefined ? undefined : { host, entry };
  }

  /** The newest heartbeat, as far as it is of the runner's current process. */
  beatOf(runner: string): RecordedBeat | undefined {
    const beat = this.#runners.get(runner)?.beat;
    return beat === undefined ? undefined : recordedBeat(beat);
  }

  #recorded(runner: string): Recorded {
    const known = this.#runners.get(runner);
    if (known !== undefined) return known;
    const made: Recorded = { beat: undefined, announced: new Map(), restart: undefined };
    this.#runners.set(runner, made);
    return made;
  }

  #facts(runner: RunnerId): SimulatedFacts {
    const { beat, announced, restart } = this.#recorded(runner);
    const entry = this.#fleet?.runners.get(runner);
    const current = currentProcess(beat, announced.size === 0 ? [] : [...announced.values()]);
    const liveness = livenessOf(current, beat, {
      intervalSec: entry?.intervalSec ?? null,
      expectedAt: restart?.registered_at ?? null,
    });
    return {
      liveness,
      current,
      beat,
      thresholds: entry?.thresholds ?? {},
      isDeclared: entry !== undefined,
      retired: restart?.retired === 1,
      // Neither is alerted.
      paused: restart?.paused === 1 || isStopOrder(restart?.last_failure_reason),
    };
  }

  /** What is only watched is restarted by nobody. A runner of another host's file has no settings. */
  #entryOf(runner: RunnerId): FleetEntry | undefined {
    const entry = this.#fleet?.runners.get(runner);
    if (entry?.driver.kind === "external") return undefined;
    return entry ?? plainEntry(runner);
  }

  #managed(runner: RunnerId, events: readonly TimelineView[]): Managed | undefined {
    const host = events
      .filter(({ type }) => type === "process_spawned" || type === "process_adopted")
      .map(({ by }) => ENFORCER.exec(by)?.[1])
      .findLast((found) => found !== undefined);
    const entry = this.#entryOf(runner);
    if (host === undefined || entry === undefined) return undefined;
    this.#hosts.set(runner, host);
    const { beat, announced } = this.#recorded(runner);
    const current = currentProcess(beat, [...announced.values()]);
    const isRunning = current !== undefined && current.announced?.ended_at === null;
    const beats = isRunning && current.isBeating && beat !== undefined;
    return {
      host,
      entry,
      memory: supposedRunner(entry.driver.kind, events),
      runningSince: isRunning ? current.announced?.announced_at : undefined,
      beat: beats ? recordedBeat(beat) : undefined,
    };
  }

  #readBeats(db: SqliteDatabase): void {
    const store = rowStore<LatestHeartbeatRow>(db, latestHeartbeat.table, "main");
    for (const key of keysOf(db, latestHeartbeat.table)) {
      this.#recorded(String(key[0])).beat = store.read(key);
    }
  }

  #readAnnounced(db: SqliteDatabase): void {
    const store = rowStore<ProcessLifecycleRow>(db, processLifecycle.table, "main");
    for (const key of keysOf(db, processLifecycle.table)) {
      const row = store.read(key);
      if (row !== undefined) this.#recorded(row.runner).announced.set(key.join("|"), row);
    }
  }

  #readRestarts(db: SqliteDatabase): void {
    const store = rowStore<RestartStateRow>(db, restartState.table, "main");
    for (const key of keysOf(db, restartState.table)) {
      this.#recorded(String(key[0])).restart = store.read(key);
    }
  }
}

function keysOf(
  db: SqliteDatabase,
  { name, key }: { readonly name: string; readonly key: readonly string[] },
): (string | number)[][] {
  return db.prepare(`select ${key.join()} from ${name}`).raw().all() as (string | number)[][];
}

/** By runner: the stream time of the last heartbeat that was kept, epoch ms. */
function lastSnapshots(db: SqliteDatabase): Map<string, number> {
  const rows = db.prepare("select runner, max(ts) from runner_heartbeat group by runner").raw();
  return new Map(rows.all() as [string, number][]);
}

function rememberedEvents(db: SqliteDatabase): Map<string, TimelineView[]> {
  const rows = db
    .prepare(
      `select stream_seq, time, runner, type, by, data from timeline
       where type in (${MEMORABLE.map(() => "?").join()}) order by stream_seq`,
    )
    .all(...MEMORABLE) as TimelineView[];
  const byRunner = new Map<string, TimelineView[]>();
  for (const row of rows) {
    const events = byRunner.get(row.runner);
    if (events === undefined) byRunner.set(row.runner, [row]);
    else events.push(row);
  }
  return byRunner;
}

function recordedBeat(row: LatestHeartbeatRow): RecordedBeat {
  const { last_heartbeat_at: time, interval_sec: intervalSec } = row;
  const resources: unknown =
    typeof row.resources === "string" ? JSON.parse(row.resources) : row.resources;
  const figure = (name: string): number | null => {
    const value = (resources as Record<string, unknown> | null)?.[name];
    return typeof value === "number" ? value : null;
  };
  return {
    time,
    intervalSec,
    memoryMb: figure("memory_mb"),
    cpuPercent: figure("cpu_percent"),
    vramMb: figure("vram_mb"),
  };
}

function plainEntry(runner: RunnerId): FleetEntry {
  const undecided = { backoffSec: undefined, maxAttempts: undefined };
  return {
    runner,
    driver: {
      kind: "command",
      command: [runner],
      cwd: undefined,
      env: {},
      probe: undefined,
      beatsItself: false,
    },
    intervalSec: null,
    restart: { ...undecided, cooldownSec: undefined, stableSec: undefined },
    thresholds: {},
    limits: undefined,
    labels: {},
  };
}
