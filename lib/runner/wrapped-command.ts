/** A command that knows nothing of Runbeat, and what there is to say of it from outside. */
import type { Readable, Writable } from "node:stream";
import type { ChildEnd, ChildGroup, SpawnGroup } from "../core/child-group.ts";
import { createLineTail } from "../core/line-tail.ts";
import type { LineTail } from "../core/line-tail.ts";
import type { CommandSpec } from "../core/fleet.ts";
import type { HeartbeatPart } from "./heartbeat-body.ts";
import { startProbe } from "./probe.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { isProcessAlive, isProcessStopped } from "./process-identity.ts";
import { createUsageMeter } from "./process-usage.ts";
import type { UsageMeter } from "./process-usage.ts";
import { usageFields } from "./usage-fields.ts";

/** Of its stderr, for the event that tells its end. */
const MAX_STDERR_LINES = 20;
const STDERR_FD = 2;

/** How a command ended, and its last words, redacted. */
export interface CommandEnd extends ChildEnd {
  readonly ranSec: number;
  readonly stderr: readonly string[];
}

export interface WrappedCommandOptions {
  readonly spec: CommandSpec;
  readonly spawn: SpawnGroup;
  /** Where its stderr goes; stdin and stdout are simply ours. */
  readonly stderr: Writable;
  readonly onProbe: (result: ProbeResult) => void;
}

export interface WrappedCommand {
  readonly pid: number;
  readonly startedAt: number;
  /** Once it has ended and nothing of its group is left. */
  readonly ended: Promise<CommandEnd>;
  /** For its heartbeat; null while it is stopped or gone: it must not look alive. */
  collect(): HeartbeatPart | null;
  /** Hands a signal on to everything that it has started. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it by the stop ladder. */
  stop(): Promise<CommandEnd>;
}

/** @throws AppError `invalid` where it can't be started. */
export function startWrappedCommand(options: WrappedCommandOptions): WrappedCommand {
  return new Wrapped(options);
}

class Wrapped implements WrappedCommand {
  readonly pid: number;
  readonly startedAt: number;
  readonly ended: Promise<CommandEnd>;
  private readonly group: ChildGroup;
  private readonly tail: LineTail;
  private readonly measure: UsageMeter;
  private readonly probe: Probe | undefined;
  private readonly startedMs = performance.now();

  constructor({ spec, spawn, stderr, onProbe }: WrappedCommandOptions) {
    const { command, cwd, env, probe } = spec;
    const where = { env, ...(cwd === undefined ? {} : { cwd }) };
    const [file, ...args] = command;
    this.group = spawn({ file, args, ...where, stdio: ["inherit", "inherit", "pipe"] });
    this.pid = this.group.pid;
    this.startedAt = this.group.startedAt;
    this.tail = createLineTail({ maxLines: MAX_STDERR_LINES });
    this.measure = createUsageMeter(this.pid);
    passOn(this.group.output(STDERR_FD), stderr, this.tail);
    this.probe = probe && startProbe(probe, { spawn, ...where }, onProbe);
    this.ended = this.watch();
  }

  collect(): HeartbeatPart | null {
    if (isProcessStopped(this.pid) || !isProcessAlive(this.pid)) return null;
    const result = this.probe?.result();
    const isFailing = result?.isOk === false;
    return {
      health: isFailing ? "unhealthy" : "healthy",
      last_error: isFailing ? result.message : "",
      resources: usageFields(this.measure()),
      ...(result === undefined ? {} : { checks: { probe: result.isOk } }),
    };
  }

  signal(signal: NodeJS.Signals): void {
    this.group.signal(signal);
  }

  async stop(): Promise<CommandEnd> {
    void this.group.stop();
    return await this.ended;
  }

  /** What it left behind ends with it: a runner that has ended must not run on in part. */
  private async watch(): Promise<CommandEnd> {
    const end = await this.group.ended;
    const ranSec = Math.round(performance.now() - this.startedMs) / 1000;
    await Promise.all([this.group.stop(), this.probe?.stop()]);
    await this.group.drained(STDERR_FD);
    this.tail.flush();
    return { ...end, ranSec, stderr: this.tail.lines() };
  }
}

/** At the speed of who reads our stderr; when nobody does any more, the command must not stall. */
function passOn(from: Readable, to: Writable, tail: LineTail): void {
  const decoder = new TextDecoder();
  from.on("data", (chunk: Buffer) => tail.feed(decoder.decode(chunk, { stream: true })));
  from.on("error", () => {});
  from.pipe(to, { end: false });
  to.on("error", () => {
    from.unpipe(to);
    from.resume();
  });
}
