import { Command, InvalidArgumentError } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { STREAM_KEYS, streamName } from "../lib/core/subject.ts";
import type { Prefixes, StreamKey } from "../lib/core/subject.ts";
import { formatTimeOrNull } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { purgeOlderThan } from "../lib/nats/purge.ts";
import type { PurgeReport, PurgeWhat } from "../lib/nats/purge.ts";
import { bytesText, countText } from "../lib/core/amount.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

interface Options {
  readonly days?: number;
  readonly hours?: number;
  readonly minutes?: number;
  readonly stream?: readonly string[];
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** What fills up; the other streams are small and are the record of what happened. */
const DEFAULT_STREAMS: readonly StreamKey[] = ["heartbeats", "snapshots"];

export function command(): Command {
  return new Command("prune")
    .description(
      "Keeps the last so many days, hours and minutes of the streams and purges what is older; the tables follow. Without --stream: heartbeats and snapshots.",
    )
    .option("--d, --days <n>", "keep the last so many days", amount)
    .option("--h, --hours <n>", "and so many hours", amount)
    .option("--m, --minutes <n>", "and so many minutes", amount)
    .option("--stream <name>", `${STREAM_KEYS.join(", ")}; may repeat`, collect)
    .option("--all", "keep nothing of these streams")
    .option("--dry-run", "say what would go, and purge nothing")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat prune --days 0 --hours 24 --dry-run\n  $ runbeat prune --days 7 --stream events --stream alerts\n  $ runbeat prune --all --stream quarantine",
    )
    .action(async (options: Options, self: Command) => {
      const what = whatToPurge(options);
      const context = openContext(self);
      const names = streamNames(options.stream ?? [], prefixesOf(context.settings));
      const reports = await prune(context, names, what, options.dryRun === true);
      process.stdout.write(
        options.json === true ? `${JSON.stringify(asJson(reports), null, 2)}\n` : asText(reports),
      );
    });
}

function amount(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It must be a number that is not negative, such as 24.");
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, ...value.split(",")];
}

/** @throws AppError `invalid` unless it is clear how much is to be kept. */
function whatToPurge({ days, hours, minutes, all }: Options): PurgeWhat {
  const keepLastMs = (days ?? 0) * DAY_MS + (hours ?? 0) * HOUR_MS + (minutes ?? 0) * MINUTE_MS;
  if (all === true && keepLastMs > 0) {
    throw new AppError(
      "invalid",
      "--all keeps nothing: leave it out, or --days, --hours, --minutes",
    );
  }
  if (all === true) return "all";
  if (keepLastMs > 0) return { keepLastMs };
  throw new AppError(
    "invalid",
    "This would keep nothing. Say how much to keep, e.g. --days 0 --hours 24, or --all to purge everything",
  );
}

/** Names as the user gives them, `events` or `RUNBEAT_EVENTS`, each once. */
function streamNames(given: readonly string[], prefixes: Prefixes): string[] {
  const keys = given.length === 0 ? DEFAULT_STREAMS : given.map((name) => keyOf(name, prefixes));
  return [...new Set(keys)].map((key) => streamName(prefixes, key));
}

function keyOf(name: string, prefixes: Prefixes): StreamKey {
  const key = STREAM_KEYS.find(
    (candidate) => candidate === name.toLowerCase() || streamName(prefixes, candidate) === name,
  );
  if (key !== undefined) return key;
  throw new AppError(
    "invalid",
    `There is no stream "${name}": --stream takes ${STREAM_KEYS.join(", ")}`,
  );
}

async function prune(
  context: Context,
  names: readonly string[],
  what: PurgeWhat,
  dryRun: boolean,
): Promise<PurgeReport[]> {
  const nc = await connectNats(natsOptions(context, "runbeat prune"));
  try {
    const reports: PurgeReport[] = [];
    for (const name of names) reports.push(await purgeOlderThan(nc, name, what, { dryRun }));
    return reports;
  } finally {
    await nc.close();
  }
}

function asJson(reports: readonly PurgeReport[]): object {
  return {
    dry_run: reports.some(({ dryRun }) => dryRun),
    messages: reports.reduce((sum, { messages }) => sum + messages, 0),
    streams: reports.map((report) => ({
      stream: report.stream,
      older_than: formatTimeOrNull(report.cutoff),
      messages: report.messages,
      bytes: report.bytes,
      messages_kept: report.messagesKept,
      first_seq: report.fromSeq,
    })),
  };
}

function asText(reports: readonly PurgeReport[]): string {
  return `${reports.map(reportLine).join("\n")}\n`;
}

function reportLine(report: PurgeReport): string {
  const cutoff = formatTimeOrNull(report.cutoff);
  const older = cutoff === null ? "" : ` older than ${cutoff}`;
  const done = report.dryRun ? "would go" : "purged";
  const size = report.messages === 0 ? "" : ` (about ${bytesText(report.bytes)})`;
  return (
    `${report.stream}: ${countText(report.messages)} messages${older} ${done}${size}, ` +
    `${countText(report.messagesKept)} kept`
  );
}
