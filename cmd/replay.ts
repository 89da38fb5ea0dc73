import { Command, InvalidArgumentError, Option } from "commander";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../lib/core/errors.ts";
import type { MessageChoice } from "../lib/core/message-choice.ts";
import { RUNNER_KINDS, isRunnerKind } from "../lib/core/runner-id.ts";
import type { RunnerKind } from "../lib/core/runner-id.ts";
import { STREAM_KEYS } from "../lib/core/subject.ts";
import type { StreamKey } from "../lib/core/subject.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import type { MergedReaderOptions } from "../lib/operator/merged-reader.ts";
import { ReplayPace } from "../lib/operator/replay-pace.ts";
import { checkOrder, parseRangeEnd, resolveRange } from "../lib/operator/replay-range.ts";
import type { RangeEnd } from "../lib/operator/replay-range.ts";
import { checkPrefix, openRepublisher } from "../lib/operator/republisher.ts";
import { ReplayLines } from "../lib/terminal/replay-line.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { Closers } from "./closers.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { ReplayKeys } from "./replay-keys.ts";
import { replay } from "./replay-session.ts";
import { parseChange, replayWhatIf } from "./replay-what-if.ts";
import type { ChangedSetting } from "./replay-what-if.ts";
import { jsonSink, lineSink, republishSink } from "./replay-sink.ts";
import type { ReplaySink } from "./replay-sink.ts";
import { prefixesOf } from "./stream-options.ts";
import { installationNow } from "../lib/operator/export-streams.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly from?: string;
  readonly to?: string;
  readonly runner?: readonly string[];
  readonly kind?: readonly RunnerKind[];
  readonly type?: readonly string[];
  readonly stream?: readonly StreamKey[];
  readonly follow?: true;
  readonly untilCaughtUp?: true;
  readonly speed: number;
  readonly seq?: true;
  readonly whatIf?: readonly ChangedSetting[];
  readonly toSubjectPrefix?: string;
  readonly toNats?: string;
  readonly json?: true;
}

/** What is shown of the past unless it is said. */
const DEFAULT_SPAN_MS = 15 * 60_000;
const DEFAULT_STREAMS: readonly StreamKey[] = ["heartbeats", "events", "alerts"];

const EXAMPLES = `
Times are 2026-01-31T03:12:00Z, 03:12 (the last such time, in UTC), -15m, -2h30m or now; places in a
stream are heartbeats:123. Times are shown in UTC.

Examples:
  $ runbeat replay --from -15m
  $ runbeat replay --from 03:10 --to 03:20 --runner front-door/hd
  $ runbeat replay --from -1d --type 'process_*' --type status_changed --json | jq .data
  $ runbeat replay --follow --kind camera
  $ runbeat replay --from -1h --speed 10
  $ runbeat replay --from -1h --what-if HEARTBEAT_STALE_SEC=30 --what-if MAX_RESTART_ATTEMPTS=5
  $ runbeat replay --from -1h --to-subject-prefix test --to-nats nats://test-box:4222

In a terminal: space pauses, n goes on by one, + and - change the speed, j jumps, q quits. What is
published again has Runbeat-Replay-Time, -Stream and -Seq in its headers.`;

export function command(): Command {
  return new Command("replay")
    .description(
      "Shows what happened: heartbeats, events and alerts of all streams in the order of their times.",
    )
    .option("--from <when>", "from this time or place on (default: 15 minutes before the end)")
    .option("--to <when>", "up to this time or place (default: now)")
    .option(
      "--runner <id>",
      "only of this runner, or pattern such as camera/*/hd; may repeat",
      collect,
    )
    .option("--kind <kind>", "only camera, worker, service or process; may repeat", collectKinds)
    .option(
      "--type <type>",
      "only this type, such as process_exited or 'camera_*'; may repeat",
      collect,
    )
    .addOption(streamOption())
    .option("-f, --follow", "go on with what comes")
    .option("--until-caught-up", "go on with what comes meanwhile, and end once nothing is left")
    .option("--speed <speed>", "1: as it happened, 10: ten times as fast, max", speed, Infinity)
    .option("--seq", "show the stream and the sequence of each message")
    .option("--json", "one JSON object a line: stream, seq, time, subject, runner, type, data")
    .option(
      "--what-if <setting...>",
      "KEY=VALUE: what would have been under it; one or several",
      changes,
    )
    .option("--to-subject-prefix <prefix>", "publish it all again under this prefix, for a test")
    .option("--to-nats <url>", "publish it all again on another NATS")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options, self: Command) => await run(openContext(self), options));
}

function changes(text: string, before: readonly ChangedSetting[] = []): ChangedSetting[] {
  return [...before, parseChange(text)];
}

function speed(text: string): number {
  if (text === "max") return Infinity;
  const value = Number(/^x?(\d+(?:\.\d+)?)x?$/.exec(text)?.[1]);
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be max or a number such as 1 or 10.");
}

function streamOption(): Option {
  return new Option(
    "--stream <stream>",
    `only of this stream: ${STREAM_KEYS.join(", ")}, or all; may repeat (default: heartbeats, events and alerts)`,
  ).argParser(collectStreams);
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, ...value.split(",")];
}

function collectKinds(value: string, before: readonly RunnerKind[] = []): RunnerKind[] {
  return [...before, ...value.split(",").map((word) => oneOf(word, RUNNER_KINDS))];
}

function collectStreams(value: string, before: readonly StreamKey[] = []): StreamKey[] {
  if (value === "all") return [...STREAM_KEYS];
  return [...before, ...value.split(",").map((word) => oneOf(word, STREAM_KEYS))];
}

function oneOf<T extends string>(word: string, known: readonly T[]): T {
  const found = known.find((other) => other === word);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It must be one of ${known.join(", ")}.`);
}

interface Place {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
}

async function run(context: Context, options: Options): Promise<void> {
  // What is no time is said before anything is asked.
  rangeEnds(options, Date.now());
  const choice = choiceOf(options);
  if (options.toSubjectPrefix !== undefined) checkPrefix(options.toSubjectPrefix);
  checkWhatIf(options);
  const stopping = new AbortController();
  const closers = new Closers();
  void untilStopped().then(() => stopping.abort());
  try {
    const nc = await connectNats(natsOptions(context, "runbeat replay"));
    closers.push("NATS", async () => await nc.close());
    const place = { nc, jsm: await openJetStream(nc) };
    const nowMs = await installationNow(place.jsm, prefixesOf(context.settings));
    const ends = rangeEnds(options, nowMs);
    const reading = { ...(await readingOf(context, options, place, ends)), choice };
    if (options.whatIf !== undefined) {
      const { signal } = stopping;
      const json = options.json === true;
      const request = { changes: options.whatIf, reading, choice, nowMs, json, signal };
      return await replayWhatIf(context, request);
    }
    const sink = await openSink(context, options, reading, closers);
    const keys = openKeys(options);
    if (keys !== undefined) closers.push("keyboard", () => keys.close());
    await replay({
      reading,
      sink,
      keys,
      nowMs,
      pace: new ReplayPace(options.speed),
      endsCaughtUp: options.untilCaughtUp === true && options.follow !== true,
      signal: stopping.signal,
    });
  } finally {
    await closers.closeAll(context.log);
  }
}

/** @throws AppError `invalid` where a simulation is asked for together with something else. */
function checkWhatIf({ whatIf, follow, untilCaughtUp, toSubjectPrefix, toNats }: Options): void {
  if (whatIf === undefined) return;
  const other = follow ?? untilCaughtUp ?? toSubjectPrefix ?? toNats;
  if (other === undefined) return;
  throw new AppError(
    "invalid",
    "--what-if goes over a range that has ended, and publishes nothing",
  );
}

/** Keys are for who sits before a terminal and watches; a script that pipes has none. */
function openKeys({ json }: Options): ReplayKeys | undefined {
  const isWatched = process.stdin.isTTY && process.stdout.isTTY && json !== true;
  return isWatched ? new ReplayKeys(process.stdin) : undefined;
}

async function openSink(
  context: Context,
  options: Options,
  { nc, prefixes, streams }: MergedReaderOptions,
  closers: Closers,
): Promise<ReplaySink> {
  const { isTTY, columns } = process.stdout;
  if (options.toSubjectPrefix === undefined && options.toNats === undefined) {
    if (options.json === true) return jsonSink();
    const looks = terminalLooks({ isTTY, columns, environment: context.environment });
    return lineSink(context, new ReplayLines(looks, options.seq === true));
  }
  const target = await openTarget(context, options, nc, closers);
  const targetPrefix = options.toSubjectPrefix ?? prefixes.subject;
  const desk = { source: nc, sourcePrefixes: prefixes, target, targetPrefix, streams };
  const republisher = await openRepublisher(desk);
  closers.push("publishing", () => republisher.close());
  return republishSink(context, republisher, options.json === true);
}

/** The NATS to publish to. Its login stands in its address: the source's own is for the source. */
async function openTarget(
  context: Context,
  { toNats }: Options,
  source: NatsConnection,
  closers: Closers,
): Promise<NatsConnection> {
  if (toNats === undefined) return source;
  const { log } = context;
  const target = await connectNats({ url: toNats, name: "runbeat replay", log });
  closers.push("the other NATS", async () => await target.close());
  return target;
}

interface RangeEnds {
  readonly from: RangeEnd;
  readonly to: RangeEnd | undefined;
}

/** @throws AppError `invalid` for what is no range. */
function rangeEnds({ from, to, follow }: Options, nowMs: number): RangeEnds {
  if (follow === true && to !== undefined) {
    throw new AppError("invalid", "--follow goes on for ever: give it or --to, not both");
  }
  const end = to === undefined ? undefined : parseRangeEnd("--to", to, nowMs);
  if (from !== undefined) {
    const start = parseRangeEnd("--from", from, nowMs);
    if (start.kind === "time" && end?.kind === "time") checkOrder(start.ms, end.ms);
    return { from: start, to: end };
  }
  const endMs = end?.kind === "time" ? end.ms : nowMs;
  return { from: { kind: "time", ms: follow === true ? nowMs : endMs - DEFAULT_SPAN_MS }, to: end };
}

function choiceOf({ runner = [], kind = [], type = [] }: Options): MessageChoice {
  return { runners: runner.map(runnerPattern), kinds: kind, types: type };
}

/** `front-door/hd` is a runner of any kind, `camera/front-door` one of any profile. */
function runnerPattern(text: string): string {
  const parts = text.split("/");
  const [first = "", second] = parts;
  if (parts.every((part) => /^[A-Za-z0-9_*-]{1,64}$/.test(part)) && parts.length <= 3) {
    if (parts.length === 3) return text;
    if (second === undefined) return isRunnerKind(first) ? `${first}/*/*` : `*/${first}/*`;
    return isRunnerKind(first) ? `${text}/*` : `*/${text}`;
  }
  throw new AppError(
    "invalid",
    `--runner: "${text}" is no runner: write kind/name/profile, name/profile, or a pattern such as camera/*/hd`,
  );
}

async function readingOf(
  context: Context,
  options: Options,
  { nc, jsm }: Place,
  { from, to }: RangeEnds,
): Promise<MergedReaderOptions> {
  const prefixes = prefixesOf(context.settings);
  const streams = [...new Set(options.stream ?? DEFAULT_STREAMS)];
  const follow = options.follow === true || options.untilCaughtUp === true;
  const range = await resolveRange({ jsm, prefixes }, from, to);
  return { nc, jsm, prefixes, streams, follow, ...range };
}
