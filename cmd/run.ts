import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { redactDeep } from "../lib/core/redact.ts";
import { parseRunnerId } from "../lib/core/runner-id.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import type { OpenChannel } from "../lib/runner/beat-channel.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import type { HeartbeatHandle } from "../lib/runner/heartbeat-client.ts";
import { kernelIdentityOf } from "../lib/runner/process-identity.ts";
import { openSupervisorLink } from "../lib/runner/supervisor-link.ts";
import type { SupervisorLink } from "../lib/runner/supervisor-link.ts";
import { startWrappedCommand } from "../lib/runner/wrapped-command.ts";
import type { CommandEnd, CommandOutput, WrappedCommand } from "../lib/runner/wrapped-command.ts";
import { beatChannel } from "./beat-options.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { endAs } from "./end-as.ts";
import { openOwnEvents } from "./own-events.ts";
import { openGpu } from "./resource-guard.ts";
import { supervisedContext } from "./supervised-context.ts";

interface Options {
  readonly runner: string;
  readonly interval?: number;
  readonly probeHttp?: string;
  readonly probeEvery?: number;
  readonly probeTimeout?: number;
  readonly supervised?: true;
}

const EXAMPLES = `
Its input, output, exit code and signals are the command's own. While the command lives, and is not
stopped, Runbeat hears of its pid, processor time and memory. What it leaves behind ends with it.

Examples:
  $ runbeat run --runner process/bidder/default -- python3 bidder.py
  $ runbeat run --runner process/web/default --probe-http http://127.0.0.1:3000/ -- npm run serve`;

export function command(): Command {
  return new Command("run")
    .description("Runs any command and beats for it.")
    .argument("[command...]", "the command and its arguments, after --")
    .requiredOption("--runner <id>", "which runner it is: kind/name/profile")
    .option("--interval <seconds>", "how often to beat (default: as configured)", seconds)
    .option("--probe-http <url>", "unhealthy unless this address answers")
    .option("--probe-every <seconds>", "how often to ask (default: 10)", seconds)
    .option("--probe-timeout <seconds>", "how long to wait for the answer (default: 5)", seconds)
    .addOption(new Option("--supervised").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (words: string[], options: Options, self: Command) => {
      const context = openContext(self);
      if (options.supervised === true) await runSupervised(context);
      else await runAlone(context, orderOf(context, words, options));
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError("It must be a number of seconds from 0.1 to 86400.");
}

function orderOf(context: Context, words: string[], options: Options): RunOrder {
  const runner = parseRunnerId(options.runner);
  const [file, ...args] = words;
  if (file === undefined) {
    throw new AppError(
      "invalid",
      `Which command? Write it after --: runbeat run --runner ${runner} -- COMMAND`,
    );
  }
  const probe =
    options.probeHttp === undefined
      ? undefined
      : {
          http: options.probeHttp,
          command: undefined,
          everySec: options.probeEvery ?? 10,
          timeoutSec: options.probeTimeout ?? 5,
        };
  const env = Object.fromEntries(
    Object.entries(context.environment).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  return {
    order: "run",
    runner,
    intervalSec: options.interval ?? context.settings.heartbeat.intervalSec,
    labels: {},
    command: { command: [file, ...args], cwd: undefined, env, probe },
  };
}

/** Tells of its life by itself, and ends as the command does. */
async function runAlone(context: Context, order: RunOrder): Promise<void> {
  // Before the command starts, which may be signalled from its first word on; delivered after.
  const forwarding = forwardSignals((signal) => wrapped.signal(signal));
  const { wrapped, beats } = start(context, order, passedOn());
  const events = openOwnEvents(context, order.runner, "run");
  const process = { host: hostname(), pid: wrapped.pid, started_at: wrapped.startedAt };
  const id = `${order.runner}:${process.host}:${process.pid}:${process.started_at}`;
  const argv = redactDeep(order.command?.command) as string[];
  events.tell("process_spawned", { ...process, argv, env: {}, attempt: 0 }, `${id}:spawned`);
  const end = await wrapped.ended;
  events.tell("process_exited", { ...process, ...exitData(end) }, `${id}:exited`);
  await Promise.all([beats?.stop(), events.close()]);
  forwarding.stop();
  await endAs(end);
}

/** Leaves its reports for the enforcer, which publishes; lives on without one. */
async function runSupervised(base: Context): Promise<void> {
  const link = openSupervisorLink();
  const context = supervisedContext(base, link);
  const order = await link.order;
  const forwarding = forwardSignals((signal) => {
    const isEnd = signal === "SIGTERM" || signal === "SIGINT" || signal === "SIGHUP";
    if (isEnd) void running?.wrapped.stop();
    else running?.wrapped.signal(signal);
  });
  const running = startReported(context, order, link);
  if (running === undefined) return;
  const { wrapped, beats } = running;
  const end = await wrapped.ended;
  link.report({ event: "exited", ...exitData(end), stdout: end.stdout });
  await beats?.stop();
  forwarding.stop();
  link.close();
  await endAs(end);
}

interface Running {
  readonly wrapped: WrappedCommand;
  /** Undefined for a command that beats by itself. */
  readonly beats: HeartbeatHandle | undefined;
}

function startReported(
  context: Context,
  order: RunOrder,
  link: SupervisorLink,
): Running | undefined {
  const { files, secrets = [] } = order;
  const output: CommandOutput =
    files === undefined
      ? passedOn()
      : { kind: "lines", secrets, onLine: (source, line) => link.output(source, line) };
  try {
    const running = start(context, order, output);
    const { pid, startedAt } = running.wrapped;
    const ticks = kernelIdentityOf(pid)?.startTicks;
    const identity = ticks === undefined ? {} : { start_ticks: ticks };
    link.report({ event: "spawned", pid, started_at: startedAt, ...identity });
    return running;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    link.report({ event: "failed", message: error.message });
    link.close();
    process.exitCode = 1;
    return undefined;
  }
}

function passedOn(): CommandOutput {
  return { kind: "ours", stderr: process.stderr };
}

function start(context: Context, order: RunOrder, output: CommandOutput): Running {
  if (order.command === undefined) throw new AppError("internal", "the order has no command");
  let beats: HeartbeatHandle | undefined;
  const open = order.beatsItself === true ? undefined : beatChannel(context, order.runner);
  const gpu = openGpu(context);
  const wrapped = startWrappedCommand({
    spec: order.command,
    spawn: spawnGroup,
    output,
    onProbe: () => beats?.beat(),
    ...(gpu && { gpu }),
  });
  void wrapped.ended.then(async () => await gpu?.stop());
  beats = open && beatFor(context, order, wrapped, open);
  return { wrapped, beats };
}

function beatFor(
  context: Context,
  { runner, intervalSec, labels }: RunOrder,
  wrapped: WrappedCommand,
  open: OpenChannel,
): HeartbeatHandle {
  const { pid, startedAt } = wrapped;
  return startHeartbeatClient({
    identity: { runner, host: hostname(), pid, startedAt, intervalSec },
    snapshotEverySec: context.settings.heartbeat.snapshotEverySec,
    open,
    collect: () => {
      const part = wrapped.collect();
      return part === null ? null : { ...part, labels };
    },
    onError: (error) => context.log.warn(error.message),
  });
}

function exitData({ code, signal, ranSec, stderr }: CommandEnd) {
  return { exit_code: code, signal, ran_sec: ranSec, stderr: [...stderr] };
}

const FORWARDED = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGCONT",
] as const;

function forwardSignals(forward: (signal: NodeJS.Signals) => void): { stop: () => void } {
  for (const signal of FORWARDED) process.on(signal, forward);
  return {
    stop: () => {
      for (const signal of FORWARDED) process.off(signal, forward);
    },
  };
}
