/** Keeps the fleet's runners running on this host and tells what becomes of them. */
import type { SpawnGroup } from "../core/child-group.ts";
import type { EventData, EventType } from "../core/event.ts";
import type { Fleet } from "../core/fleet.ts";
import type { RestartSettings } from "../core/restart-policy.ts";
import { runnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { RunnerSlot } from "./runner-slot.ts";
import type { SlotState } from "./runner-slot.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Publishes an event; order is kept. `msgId`: the same event twice is stored once. */
export type PublishEvent = <T extends EventType>(
  runner: RunnerId,
  type: T,
  data: EventData<T>,
  msgId?: string,
) => void;

/** The log, as far as it is needed here: fields, then a sentence. */
export interface EnforcerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Where the output of a runner goes, line by line and redacted. */
export interface OutputSink {
  write(line: string): void;
  close(): void;
}

export interface EnforcerOptions {
  readonly fleet: Fleet;
  /** As configured; the fleet and its runners may say otherwise. */
  readonly restart: RestartSettings;
  /** How often runners beat unless the fleet says otherwise. */
  readonly intervalSec: number;
  readonly host: string;
  readonly spawn: SpawnGroup;
  /** How one of our own commands is started; its name and arguments are added. */
  readonly own: {
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Environment;
  };
  /** What every command inherits. */
  readonly env: Environment;
  /** What a command that beats by itself finds beside it: where to send its heartbeats. */
  readonly beatEnv: (runner: RunnerId) => Readonly<Record<string, string>>;
  readonly publish: PublishEvent;
  readonly openOutput: (runner: RunnerId) => OutputSink;
  /** Ends what a killed wrapper has left of its command, if it still is that command. */
  readonly endLeftover: (pid: number, startedAt: number) => Promise<void>;
  readonly log: EnforcerLog;
}

/** A runner as the enforcer sees it. */
export interface SlotView {
  readonly runner: RunnerId;
  /** `camera`, `command`, `docker`, `systemd`, `external`. */
  readonly driver: string;
  readonly state: SlotState;
  /** Of the process that beats; null between two. */
  readonly pid: number | null;
  /** Restarts in a row. */
  readonly attempts: number;
  /** When it is started again, epoch ms; null where that is not planned. */
  readonly nextStartAt: number | null;
}

export interface Enforcer {
  describe(): SlotView[];
  /** Ends every runner, all at once; answers when nothing of them is left. */
  stop(): Promise<void>;
}

/** Starts every runner of the fleet that is ours to start. */
export function startEnforcer(options: EnforcerOptions): Enforcer {
  const { fleet, host, log } = options;
  const slots = [...fleet.runners.values()].map((entry) => new RunnerSlot(entry, options));
  const self = runnerId({ kind: "service", name: "enforcer", profile: hostToken(host) });
  const identity = { host, pid: process.pid };
  options.publish(self, "enforcer_started", identity);
  for (const slot of slots) slot.start();
  const running = slots.filter(({ isWatchedOnly }) => !isWatchedOnly).length;
  log.info({ runners: slots.length, running }, "the enforcer has started the fleet");
  return {
    describe: () => slots.map((slot) => slot.view()),
    async stop() {
      await Promise.all(slots.map((slot) => slot.stop()));
      options.publish(self, "enforcer_stopped", identity);
      log.info({ runners: slots.length }, "the enforcer has stopped the fleet");
    },
  };
}

/** A host's name as part of a runner's: `edge-1.example.org` → `edge-1-example-org`. */
function hostToken(host: string): string {
  return host.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "unknown";
}
