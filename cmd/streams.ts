import { existsSync } from "node:fs";
import { Command } from "commander";
import type { CheckpointView } from "../lib/core/read-models.ts";
import { formatTime, formatTimeOrNull } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { describeStreams } from "../lib/nats/stream-report.ts";
import type { ConsumerLag, StreamDescription } from "../lib/nats/stream-report.ts";
import { openReadOnly } from "../lib/store/open.ts";
import { checkpointReader } from "../lib/store/read-checkpoints.ts";
import { bytesText, countText, spanText } from "../lib/core/amount.ts";
import { ageText } from "../lib/terminal/duration.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import type { TerminalLooks } from "../lib/terminal/style.ts";
import { tableLines } from "../lib/terminal/table.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

interface Options {
  readonly json?: boolean;
}

/** A projection as a reader of a stream. */
interface ProjectionLag extends CheckpointView {
  /** Messages that it has not folded yet. */
  readonly lag: number;
}

export function command(): Command {
  return new Command("streams")
    .description(
      "Shows each stream: subjects, messages, bytes on disk, oldest, newest, limits, and how far every consumer and projection is behind.",
    )
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat streams\n  $ runbeat streams --json | jq '.streams[].bytes'",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      const streams = await readStreams(context);
      const projections = readProjections(context, streams);
      const { isTTY, columns } = process.stdout;
      const looks = terminalLooks({ isTTY, columns, environment: context.environment });
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(asJson(streams, projections), null, 2)}\n`
          : `${asText(streams, projections, looks).join("\n")}\n`,
      );
    });
}

async function readStreams(context: Context): Promise<StreamDescription[]> {
  const nc = await connectNats(natsOptions(context, "runbeat streams"));
  try {
    return await describeStreams(nc, prefixesOf(context.settings));
  } finally {
    await nc.close();
  }
}

/** Empty where no projector has run on this data folder. */
function readProjections(
  { paths }: Context,
  streams: readonly StreamDescription[],
): ProjectionLag[] {
  if (!existsSync(paths.databaseFile)) return [];
  const db = openReadOnly(paths.databaseFile);
  try {
    const exists = db.prepare("select 1 from sqlite_master where name = 'checkpoint'").get();
    if (exists === undefined) return [];
    return checkpointReader(db)
      .all()
      .map((row) => ({ ...row, lag: lagOf(row, streams) }));
  } finally {
    db.close();
  }
}

function lagOf(row: CheckpointView, streams: readonly StreamDescription[]): number {
  const last = streams.find(({ name }) => name === row.stream)?.lastSeq ?? row.seq;
  return Math.max(0, last - row.seq);
}

function asJson(
  streams: readonly StreamDescription[],
  projections: readonly ProjectionLag[],
): object {
  return {
    streams: streams.map(streamJson),
    projections: projections.map((row) => ({
      name: row.projection,
      version: row.version,
      partition: row.partition,
      lane: row.lane,
      stream: row.stream,
      seq: row.seq,
      lag: row.lag,
      state: row.state,
      error: row.error,
      updated_at: formatTime(row.updated_at),
    })),
  };
}

function streamJson(stream: StreamDescription): object {
  const { limits } = stream;
  return {
    name: stream.name,
    subjects: stream.subjects,
    messages: stream.messages,
    bytes: stream.bytes,
    first_seq: stream.firstSeq,
    last_seq: stream.lastSeq,
    oldest: formatTimeOrNull(stream.firstTime),
    newest: formatTimeOrNull(stream.lastTime),
    created: stream.created,
    limits: {
      max_age_sec: limits.maxAgeMs === null ? null : limits.maxAgeMs / 1000,
      max_bytes: limits.maxBytes,
      max_messages: limits.maxMessages,
    },
    storage: stream.storage,
    compression: stream.compression,
    replicas: stream.replicas,
    persistence: stream.durable ? "synchronous" : "asynchronous",
    consumers: stream.consumers.map(consumerJson),
  };
}

function consumerJson(consumer: ConsumerLag): object {
  return {
    name: consumer.name,
    durable: consumer.durable,
    filter_subjects: consumer.filterSubjects,
    delivered_seq: consumer.deliveredSeq,
    pending: consumer.pending,
    ack_pending: consumer.ackPending,
    lag: consumer.pending + consumer.ackPending,
  };
}

function asText(
  streams: readonly StreamDescription[],
  projections: readonly ProjectionLag[],
  looks: TerminalLooks,
): string[] {
  if (streams.length === 0)
    return ["No streams yet: `runbeat up` or `runbeat projector` makes them."];
  const readers = [
    ...streams.flatMap((stream) =>
      stream.consumers.map((consumer) => consumerRow(stream, consumer)),
    ),
    ...projections.map(projectionRow),
  ];
  return [
    ...streamTable(streams, looks),
    "",
    ...(readers.length === 0 ? ["Nobody reads them."] : readerTable(readers, looks)),
  ];
}

function streamTable(streams: readonly StreamDescription[], looks: TerminalLooks): string[] {
  const columns = [
    { title: "STREAM" },
    { title: "SUBJECTS", min: 8 },
    { title: "MESSAGES", align: "right" as const },
    { title: "ON DISK", align: "right" as const },
    { title: "OLDEST" },
    { title: "NEWEST" },
    { title: "KEEPS", min: 5 },
    { title: "ON POWER FAILURE", min: 5 },
  ];
  return tableLines(columns, streams.map(streamRow), looks);
}

function streamRow(stream: StreamDescription): string[] {
  const age = (time: number | null): string =>
    time === null ? "-" : ageText(stream.serverTime - time);
  return [
    stream.name,
    stream.subjects.join(" "),
    countText(stream.messages),
    bytesText(stream.bytes),
    age(stream.firstTime),
    age(stream.lastTime),
    limitsText(stream.limits),
    stream.durable ? "keeps what it acknowledged" : "may lose the last moments",
  ];
}

function limitsText({ maxAgeMs, maxBytes, maxMessages }: StreamDescription["limits"]): string {
  const parts = [
    ...(maxAgeMs === null ? [] : [spanText(maxAgeMs)]),
    ...(maxBytes === null ? [] : [bytesText(maxBytes)]),
    ...(maxMessages === null ? [] : [`${countText(maxMessages)} messages`]),
  ];
  return parts.length === 0 ? "everything" : parts.join(", ");
}

function readerTable(rows: readonly string[][], looks: TerminalLooks): string[] {
  const columns = [
    { title: "READER", min: 12 },
    { title: "OF" },
    { title: "AT", align: "right" as const },
    { title: "BEHIND", align: "right" as const },
    { title: "UNACKED", align: "right" as const },
    { title: "STATE", min: 5 },
  ];
  return tableLines(columns, rows, looks);
}

function consumerRow(stream: StreamDescription, consumer: ConsumerLag): string[] {
  return [
    `consumer ${consumer.name}`,
    stream.name,
    countText(consumer.deliveredSeq),
    countText(consumer.pending),
    countText(consumer.ackPending),
    consumer.durable ? "durable" : "ephemeral",
  ];
}

function projectionRow(row: ProjectionLag): string[] {
  const lane = row.lane === "main" ? "" : ` (${row.lane})`;
  const state = row.error === null ? row.state : `${row.state}: ${row.error}`;
  return [
    `projection ${row.projection} v${row.version}${lane}`,
    row.stream,
    countText(row.seq),
    countText(row.lag),
    "-",
    state,
  ];
}
