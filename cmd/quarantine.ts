import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { REJECT_REASONS } from "../lib/core/heartbeat.ts";
import type { RejectReason } from "../lib/core/heartbeat.ts";
import { QUARANTINE_STATES } from "../lib/core/read-models.ts";
import type { QuarantineState } from "../lib/core/read-models.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { readQuarantine } from "../lib/operator/quarantine-reading.ts";
import type { QuarantineContext, QuarantineItem } from "../lib/operator/quarantine-reading.ts";
import { QuarantineDesk } from "../lib/operator/quarantine-resolving.ts";
import type { Mended, PutBack } from "../lib/operator/quarantine-resolving.ts";
import { countText } from "../lib/core/amount.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { harmless } from "../lib/terminal/table.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { itemJson, itemLines, listLines } from "./quarantine-text.ts";
import { prefixesOf } from "./stream-options.ts";

/** Long work says how far it is after so many messages. */
const SAY_EVERY = 1_000;

interface ListOptions {
  readonly state: QuarantineState | "all";
  readonly reason?: readonly RejectReason[];
  readonly limit: number;
  readonly json?: boolean;
}

interface ShowOptions {
  readonly out?: string;
  readonly json?: boolean;
}

interface ResolveOptions {
  readonly all?: boolean;
  readonly reason?: readonly RejectReason[];
  readonly file?: string;
  readonly subject?: string;
  readonly json?: boolean;
}

/** One number, or all between two. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** What came of one message. */
interface Outcome {
  readonly seq: number;
  readonly putBack?: PutBack;
  readonly error?: unknown;
}

export function command(): Command {
  return new Command("quarantine")
    .description(
      "Shows messages that could not be folded, puts them back or away. Reads the stream itself, so it works without a projector.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat quarantine list\n  $ runbeat quarantine show 12\n  $ runbeat quarantine retry 12 --file mended.json\n  $ runbeat quarantine discard 13-40",
    )
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(showCommand())
    .addCommand(retryCommand())
    .addCommand(discardCommand());
}

function listCommand(): Command {
  return new Command("list")
    .description("Lists rejected messages, newest first.")
    .addOption(
      new Option("--state <state>", "what became of them")
        .choices([...QUARANTINE_STATES, "all"])
        .default("open"),
    )
    .addOption(reasonOption())
    .option("--limit <n>", "at most so many", wholeNumber, 100)
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat quarantine list --reason bad_json\n  $ runbeat quarantine list --state all --json",
    )
    .action(async (options: ListOptions, self: Command) => await list(openContext(self), options));
}

function showCommand(): Command {
  return new Command("show")
    .description("Shows one rejected message whole, with what is wrong with it.")
    .argument("<seq>", "its number in the list", wholeNumber)
    .option("--out <file>", "write the message as it was into a new file")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat quarantine show 12 --out rejected.json")
    .action(
      async (seq: number, options: ShowOptions, self: Command) =>
        await show(openContext(self), seq, options),
    );
}

function retryCommand(): Command {
  return resolvingCommand("retry")
    .description(
      "Publishes rejected messages again, as they were or mended. One that would be rejected again is refused, and nothing changes.",
    )
    .option("--file <file>", "publish this instead of the message as it was")
    .option("--subject <subject>", "publish on this subject instead of its own")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat quarantine retry 12 --file mended.json\n  $ runbeat quarantine retry 13 --subject runbeat.hb.camera.front-door.hd\n  $ runbeat quarantine retry --all --reason bad_schema",
    )
    .action(async (spans: Span[] = [], options: ResolveOptions, self: Command) => {
      const isOne = spans.length === 1 && spans[0]?.from === spans[0]?.to;
      if ((options.file !== undefined || options.subject !== undefined) && !isOne) {
        throw new AppError("invalid", "--file and --subject are for one message: give its number");
      }
      const mended = readMended(options);
      await resolve(openContext(self), "retried", spans, options, async (desk, seq) => ({
        seq,
        putBack: await desk.retry(seq, mended),
      }));
    });
}

function discardCommand(): Command {
  return resolvingCommand("discard")
    .description("Marks rejected messages as dealt with: they are not wanted.")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat quarantine discard 12 14-20\n  $ runbeat quarantine discard --all --reason bad_subject",
    )
    .action(async (spans: Span[] = [], options: ResolveOptions, self: Command) => {
      await resolve(openContext(self), "discarded", spans, options, async (desk, seq) => {
        await desk.discard(seq);
        return { seq };
      });
    });
}

function resolvingCommand(name: string): Command {
  return new Command(name)
    .argument("[seq...]", "their numbers in the list, or ranges such as 5-9", collectSpans)
    .option("--all", "every open one")
    .addOption(reasonOption())
    .option("--json", "as JSON");
}

function reasonOption(): Option {
  const reasons = REJECT_REASONS.join(", ");
  return new Option(
    "--reason <reason>",
    `only those rejected for it: ${reasons}; may repeat`,
  ).argParser(collectReasons);
}

function collectReasons(text: string, before: readonly RejectReason[] = []): RejectReason[] {
  const given = text.split(",").map((word) => {
    const reason = REJECT_REASONS.find((known) => known === word);
    if (reason === undefined) {
      throw new InvalidArgumentError(`It must be one of ${REJECT_REASONS.join(", ")}.`);
    }
    return reason;
  });
  return [...before, ...given];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError("It must be a whole number from 1.");
}

function collectSpans(text: string, before: readonly Span[] = []): Span[] {
  const [from = "", to = from, ...rest] = text.split("-");
  const span = { from: wholeNumber(from), to: wholeNumber(to) };
  if (rest.length > 0 || span.to < span.from) {
    throw new InvalidArgumentError("It must be a number such as 5, or a range such as 5-9.");
  }
  return [...before, span];
}

function readMended({ file, subject }: ResolveOptions): Mended {
  return {
    ...(file === undefined ? {} : { payload: readPayload(file) }),
    ...(subject === undefined ? {} : { subject }),
  };
}

function readPayload(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new AppError("invalid", `--file ${file} can't be read: ${messageOf(error)}`);
  }
}

async function withQuarantine<T>(
  context: Context,
  act: (quarantine: QuarantineContext) => Promise<T>,
): Promise<T> {
  const nc = await connectNats(natsOptions(context, "runbeat quarantine"));
  try {
    const jsm = await openJetStream(nc);
    return await act({ nc, jsm, prefixes: prefixesOf(context.settings) });
  } finally {
    await nc.close();
  }
}

async function list(context: Context, options: ListOptions): Promise<void> {
  const states = options.state === "all" ? [] : [options.state];
  await withQuarantine(context, async (quarantine) => {
    const entries = await readQuarantine(quarantine, { reasons: options.reason ?? [], states });
    const newest = entries.slice(-options.limit).toReversed();
    if (options.json !== true) {
      const { isTTY, columns } = process.stdout;
      const looks = terminalLooks({ isTTY, columns, environment: context.environment });
      return print(listLines(newest, entries.length, looks));
    }
    const desk = await QuarantineDesk.open(quarantine, by());
    const items: QuarantineItem[] = [];
    for (const { seq } of newest) items.push(await desk.read(seq));
    printJson({ items: items.map(itemJson), total: entries.length });
  });
}

async function show(context: Context, seq: number, options: ShowOptions): Promise<void> {
  const item = await withQuarantine(
    context,
    async (quarantine) => await (await QuarantineDesk.open(quarantine, by())).read(seq),
  );
  if (options.out !== undefined) writePayload(options.out, item);
  if (options.json === true) printJson(itemJson(item));
  else print(itemLines(item));
}

/** What others have sent is written, but over nothing that is there. */
function writePayload(file: string, { payload }: QuarantineItem): void {
  try {
    writeFileSync(file, payload, { flag: "wx" });
  } catch (error) {
    throw new AppError("conflict", `--out ${file} can't be written: ${messageOf(error)}`);
  }
}

async function resolve(
  context: Context,
  done: "retried" | "discarded",
  given: readonly Span[],
  options: ResolveOptions,
  act: (desk: QuarantineDesk, seq: number) => Promise<Outcome>,
): Promise<void> {
  checkSelection(given, options);
  const outcomes = await withQuarantine(context, async (quarantine) => {
    const seqs = await selectedSeqs(quarantine, given, options);
    const desk = await QuarantineDesk.open(quarantine, by());
    const outcomes: Outcome[] = [];
    for (const seq of seqs) {
      outcomes.push(await act(desk, seq).catch((error: unknown) => ({ seq, error })));
      if (outcomes.length % SAY_EVERY === 0) {
        context.say(`${countText(outcomes.length)} of ${countText(seqs.length)}`);
      }
    }
    return outcomes;
  });
  report(outcomes, done, options.json === true);
}

/** @throws AppError `invalid` unless it is clear which messages are meant. */
function checkSelection(spans: readonly Span[], { all, reason }: ResolveOptions): void {
  if (all === true && spans.length > 0) {
    throw new AppError("invalid", "Give numbers or --all, not both");
  }
  if (all !== true && spans.length === 0) {
    throw new AppError("invalid", "Give the numbers of messages, or --all for every open one");
  }
  if (all !== true && reason !== undefined) {
    throw new AppError("invalid", "--reason chooses among --all");
  }
}

/** A number is meant as it is given; a range, or --all, means what is open in it. */
async function selectedSeqs(
  quarantine: QuarantineContext,
  spans: readonly Span[],
  { all, reason }: ResolveOptions,
): Promise<number[]> {
  const single = spans.filter(({ from, to }) => from === to).map(({ from }) => from);
  const ranges = spans.filter(({ from, to }) => from !== to);
  if (all !== true && ranges.length === 0) return [...new Set(single)];
  const open = await readQuarantine(quarantine, { reasons: reason ?? [], states: ["open"] });
  const chosen = open
    .map(({ seq }) => seq)
    .filter((seq) => all === true || ranges.some(({ from, to }) => seq >= from && seq <= to));
  return [...new Set([...single, ...chosen])];
}

/** @throws the failure of the only message, or how many of several have failed. */
function report(outcomes: readonly Outcome[], done: string, asJson: boolean): void {
  const failed = outcomes.filter(({ error }) => error !== undefined);
  if (asJson) printJson({ items: outcomes.map((outcome) => outcomeJson(outcome, done)) });
  else if (outcomes.length === 0) print([`Nothing is open there: nothing was ${done}.`]);
  else print(outcomes.flatMap((outcome) => outcomeLines(outcome, done, outcomes.length)));
  if (failed.length === 0) return;
  if (outcomes.length === 1) throw harmlessError(failed[0]?.error);
  throw new AppError(
    "conflict",
    `${countText(failed.length)} of ${countText(outcomes.length)} messages were not ${done}`,
  );
}

/** What is wrong with a message can quote it. */
function harmlessError(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  return new AppError(error.code, harmless(error.message), { cause: error });
}

function outcomeJson({ seq, putBack, error }: Outcome, done: string): object {
  return {
    seq,
    outcome: error === undefined ? done : "failed",
    ...(putBack === undefined
      ? {}
      : { stream: putBack.stream, subject: putBack.subject, stored_seq: putBack.seq }),
    error: error === undefined ? null : messageOf(error),
  };
}

function outcomeLines({ seq, putBack, error }: Outcome, done: string, of: number): string[] {
  // The failure of the only message is the command's own.
  if (error !== undefined) return of === 1 ? [] : [`${seq}: ${harmless(messageOf(error))}`];
  if (putBack === undefined) return [`${seq}: ${done}`];
  return [`${seq}: ${done}, now message ${putBack.seq} of ${putBack.stream}`];
}

function by(): string {
  return `operator@${hostname()}`;
}

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
