import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { projectVersion } from "../config/project-root.ts";
import { AppError } from "../lib/core/errors.ts";
import { requireMoment } from "../lib/core/moment.ts";
import { TOKEN_PATTERN, isRunnerKind } from "../lib/core/runner-id.ts";
import { STREAM_KEYS } from "../lib/core/subject.ts";
import type { StreamKey } from "../lib/core/subject.ts";
import { formatTime } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { exportStreams, installationNow } from "../lib/operator/export-streams.ts";
import type { ExportReport } from "../lib/operator/export-streams.ts";
import { bytesText, countText } from "../lib/core/amount.ts";
import { tableLines } from "../lib/terminal/table.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import type { TerminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { percentText, progressLine } from "./progress-line.ts";
import { prefixesOf } from "./stream-options.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly from?: string;
  readonly to?: string;
  readonly out: string;
  readonly runner?: string;
  readonly stream?: readonly StreamKey[];
  readonly redact?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("export")
    .description(
      "Writes a range of the streams to one compressed file: for a ticket, an archive, or to open it elsewhere with `runbeat up --from-export`.",
    )
    .option("--from <time>", "first moment (default: the oldest message)")
    .option("--to <time>", "last moment (default: now)")
    .requiredOption("--out <file>", "the file, such as incident.ndjson.gz")
    .option("--runner <id>", "only this runner, or a pattern such as camera/*/hd")
    .option("--stream <name>", `only ${STREAM_KEYS.join(", ")}; may repeat`, streams)
    .option("--redact", "mask passwords and keys, and give hosts other names")
    .option("--json", "say what was exported as JSON")
    .addHelpText(
      "after",
      "\nTimes: 2026-01-31T03:12:00Z, 03:12, -15m, -2h30m, now.\n\nExamples:\n  $ runbeat export --from 03:00 --to 03:30 --out incident.ndjson.gz\n  $ runbeat export --from -1h --runner camera/front-door/hd --redact --out ticket.ndjson.gz",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      const report = await run(context, options);
      const { isTTY, columns } = process.stdout;
      const looks = terminalLooks({ isTTY, columns, environment: context.environment });
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(asJson(options.out, report), null, 2)}\n`
          : `${asText(options, report, looks).join("\n")}\n`,
      );
    });
}

function streams(value: string, before: readonly StreamKey[] = []): StreamKey[] {
  const words = value.split(",");
  const wrong = words.find((word) => !(STREAM_KEYS as readonly string[]).includes(word));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(`It must be one of ${STREAM_KEYS.join(", ")}.`);
  }
  return [...before, ...(words as StreamKey[])];
}

async function run(context: Context, options: Options): Promise<ExportReport> {
  const { settings, log } = context;
  const file = resolve(options.out);
  if (existsSync(file)) {
    throw new AppError(
      "conflict",
      `${options.out} is there already: give --out another name, or remove it`,
    );
  }
  const runner = options.runner === undefined ? undefined : runnerPattern(options.runner);
  const nc = await connectNats(natsOptions(context, "runbeat export"));
  const progress = progressLine();
  const abort = new AbortController();
  void untilStopped().then((reason) =>
    abort.abort(new AppError("unavailable", `Stopped (${reason}): nothing was written`)),
  );
  try {
    const jsm = await openJetStream(nc);
    const prefixes = prefixesOf(settings);
    const now = await installationNow(jsm, prefixes);
    const fromMs =
      options.from === undefined ? undefined : requireMoment("--from", options.from, now);
    const toMs = requireMoment("--to", options.to ?? "now", now);
    checkRange(fromMs, toMs, now);
    const report = await exportStreams({
      nc,
      jsm,
      prefixes,
      streams: STREAM_KEYS.filter((key) => options.stream?.includes(key) ?? true),
      fromMs,
      toMs,
      runner,
      isRedacted: options.redact === true,
      file,
      version: projectVersion(),
      signal: abort.signal,
      onProgress: (stream, part) => progress.show(`exporting ${stream}: ${percentText(part)}`),
    });
    for (const notice of report.notices) log.warn(notice);
    return report;
  } finally {
    progress.clear();
    await nc.close();
  }
}

/** @throws AppError `invalid`. */
function checkRange(fromMs: number | undefined, toMs: number, nowMs: number): void {
  if (fromMs !== undefined && fromMs > toMs) {
    throw new AppError(
      "invalid",
      `--from ${formatTime(fromMs)} is after --to ${formatTime(toMs)}: swap them`,
    );
  }
  if (toMs > nowMs) {
    throw new AppError(
      "invalid",
      `--to ${formatTime(toMs)} is yet to come: it is ${formatTime(nowMs)}`,
    );
  }
}

function isPart(part: string): boolean {
  return TOKEN_PATTERN.test(part.replaceAll("*", "x"));
}

/** `front-door/hd` is any kind's. @throws AppError `invalid` for what can match nothing. */
function runnerPattern(text: string): string {
  const parts = text.split("/");
  if (parts.length > 3 || !parts.every(isPart)) {
    throw new AppError(
      "invalid",
      `--runner: ${JSON.stringify(text)} is no runner: write kind/name/profile, such as camera/front-door/hd or camera/*/hd`,
    );
  }
  const [kind = ""] = parts;
  return parts.length === 2 && !isRunnerKind(kind) && kind !== "*" ? `*/${text}` : text;
}

function toTheSecond(time: string | null): string {
  return time === null ? "-" : `${time.slice(0, 19)}Z`;
}

function asJson(out: string, { manifest, streams: found, notices }: ExportReport): object {
  return { file: out, bytes: statSync(out).size, notices, ...manifest, streams: found };
}

function asText(
  { out, redact }: Options,
  { manifest, streams: found, notices }: ExportReport,
  looks: TerminalLooks,
): string[] {
  const rows = Object.entries(found).map(([key, { messages, bytes, first_time, last_time }]) => [
    key,
    countText(messages),
    bytesText(bytes),
    toTheSecond(first_time),
    toTheSecond(last_time),
  ]);
  const total = Object.values(found).reduce((sum, { messages }) => sum + messages, 0);
  const columns = [
    { title: "STREAM" },
    { title: "MESSAGES", align: "right" as const },
    { title: "BYTES", align: "right" as const },
    { title: "FIRST" },
    { title: "LAST" },
  ];
  return [
    ...tableLines(columns, rows, looks),
    "",
    `${out}: ${countText(total)} messages, ${bytesText(statSync(out).size)}, up to ${manifest.to}${redact === true ? ", redacted" : ""}`,
    ...notices.map((notice) => `Note: ${notice}`),
    ...(total === 0 ? ["There was nothing in this range."] : []),
    `Open it:  runbeat up --from-export ${out}`,
  ];
}
