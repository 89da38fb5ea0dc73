import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { redactDeep } from "../lib/core/redact.ts";
import { parseRunnerId } from "../lib/core/runner-id.ts";
import type { Report, RunOrder } from "../lib/core/supervision.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import type { HeartbeatHandle } from "../lib/runner/heartbeat-client.ts";
import { openSupervisorLink } from "../lib/runner/supervisor-link.ts";
import { startWrappedCommand } from "../lib/runner/wrapped-command.ts";
import type { CommandEnd, WrappedCommand } from "../lib/runner/wrapped-command.ts";
import { beatChannel } from "./beat-options.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { endAs } from "./end-as.ts";
import { openOwnEvents } from "./own-events.ts";

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
  const { wrapped, beats } = start(context, order);
  const events = openOwnEvents(context, order.runner, "run");
  const process = { host: hostname(), pid: wrapped.pid, started_at: wrapped.startedAt };
  const id = `${order.runner}:${process.host}:${process.pid}:${process.started_at}`;
  const argv = redactDeep(order.command?.command) as string[];
  events.tell("process_spawned", { ...process, argv, env: {}, attempt: 0 }, `${id}:spawned`);
  const end = await wrapped.ended;
  events.tell("process_exited", { ...process, ...exitData(end) }, `${id}:exited`);
  await Promise.all([beats.stop(), events.close()]);
  forwarding.stop();
  await endAs(end);
}

/** Tells the enforcer, which publishes; ends the command when the enforcer says so or is gone. */
async function runSupervised(context: Context): Promise<void> {
  const link = openSupervisorLink();
  const order = await link.order;
  const stop = () => void running?.wrapped.stop();
  const forwarding = forwardSignals((signal) => {
    if (signal === "SIGTERM" || signal === "SIGINT" || signal === "SIGHUP") stop();
    else running?.wrapped.signal(signal);
  });
  const running = startReported(context, order, (report) => link.report(report));
  if (running === undefined) return;
  const { wrapped, beats } = running;
  process.once("disconnect", stop);
  const end = await wrapped.ended;
  link.report({ event: "exited", ...exitData(end) });
  await beats.stop();
  process.off("disconnect", stop);
  forwarding.stop();
  if (process.connected) process.disconnect();
  await endAs(end);
}

interface Running {
  readonly wrapped: WrappedCommand;
  readonly beats: HeartbeatHandle;
}

function startReported(
  context: Context,
  order: RunOrder,
  report: (report: Report) => void,
): Running | undefined {
  try {
    const running = start(context, order);
    const { pid, startedAt } = running.wrapped;
    report({ event: "spawned", pid, started_at: startedAt });
    return running;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    report({ event: "failed", message: error.message });
    process.exitCode = 1;
    process.disconnect();
    return undefined;
  }
}

function start(context: Context, order: RunOrder): Running {
  if (order.command === undefined) throw new AppError("internal", "the order has no command");
  let beats: HeartbeatHandle | undefined;
  const open = beatChannel(context, order.runner);
  const wrapped = startWrappedCommand({
    spec: order.command,
    spawn: spawnGroup,
    stderr: process.stderr,
    onProbe: () => beats?.beat(),
  });
  beats = startHeartbeatClient({
    identity: {
      runner: order.runner,
      host: hostname(),
      pid: wrapped.pid,
      startedAt: wrapped.startedAt,
      intervalSec: order.intervalSec,
    },
    snapshotEverySec: context.settings.heartbeat.snapshotEverySec,
    open,
    collect: () => {
      const part = wrapped.collect();
      return part === null ? null : { ...part, labels: order.labels };
    },
    onError: (error) => context.log.warn(error.message),
  });
  return { wrapped, beats };
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
