import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { Command } from "commander";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { Rejected } from "../lib/core/quarantine.ts";
import { formatTime } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openQuarantine } from "../lib/operator/quarantine.ts";
import type { Fix, QuarantineDesk, QuarantineEntry } from "../lib/operator/quarantine.ts";
import { openContext } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

interface Choice {
  readonly reason?: string;
  readonly state?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly file?: string;
  readonly subject?: string;
}

const STATES = ["open", "all"];
/** Of a payload that is no text, so many bytes are shown. */
const SHOWN_BYTES = 512;

export function command(): Command {
  return new Command("quarantine")
    .description(
      "Messages that could not be folded: looks at them, puts them back or discards them.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat quarantine list\n  $ runbeat quarantine show 12\n  $ runbeat quarantine retry 12 --file mended.json\n  $ runbeat quarantine discard --all --reason bad_json",
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(retryCommand())
    .addCommand(discardCommand());
}

function listCommand(): Command {
  return new Command("list")
    .description("Lists rejected messages, oldest first.")
    .option("--reason <reason>", "only those with this reason")
    .option("--state <state>", "open, or all", "open")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat quarantine list --reason bad_json")
    .action(async (choice: Choice, self: Command) => {
      if (!STATES.includes(choice.state ?? "")) {
        throw new AppError("invalid", `--state is ${choice.state ?? ""}, but must be open or all`);
      }
      await withDesk(self, async (desk) => {
        const entries = chosen(await desk.list(), choice);
        print(choice.json === true ? jsonOf(entries.map(entryJson)) : tableOf(entries));
      });
    });
}

function showCommand(): Command {
  return new Command("show")
    .description("Shows one rejected message whole, with the reason.")
    .argument("<seq>", "its number in `quarantine list`")
    .option("--json", "as JSON, the payload in base64")
    .addHelpText("after", "\nExample:\n  $ runbeat quarantine show 12")
    .action(async (seq: string, choice: Choice, self: Command) => {
      await withDesk(self, async (desk) => {
        const rejected = await desk.read(numberOf(seq));
        print(
          choice.json === true ? jsonOf(rejectedJson(numberOf(seq), rejected)) : textOf(rejected),
        );
      });
    });
}

function retryCommand(): Command {
  return new Command("retry")
    .description(
      "Publishes messages again, as they were or mended. What would be rejected again is refused.",
    )
    .argument("[seq...]", "numbers in `quarantine list`, or ranges such as 3-7")
    .option("--all", "every open message")
    .option("--reason <reason>", "with --all: only those with this reason")
    .option("--file <file>", "publish this file's content instead (one message only)")
    .option("--subject <subject>", "publish on this subject instead")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat quarantine retry 12 --file mended.json")
    .action(async (seqs: string[], choice: Choice, self: Command) => {
      await withDesk(self, async (desk) => {
        const wanted = await wantedSeqs(desk, seqs, choice);
        const fix = fixOf(choice, wanted.length);
        await eachOf(wanted, choice, async (seq) => ({ stored_seq: await desk.retry(seq, fix) }));
      });
    });
}

function discardCommand(): Command {
  return new Command("discard")
    .description(
      "Marks messages as dealt with. They stay in the stream until its retention removes them.",
    )
    .argument("[seq...]", "numbers in `quarantine list`, or ranges such as 3-7")
    .option("--all", "every open message")
    .option("--reason <reason>", "with --all: only those with this reason")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat quarantine discard --all --reason bad_json")
    .action(async (seqs: string[], choice: Choice, self: Command) => {
      await withDesk(self, async (desk) => {
        const wanted = await wantedSeqs(desk, seqs, choice);
        await eachOf(wanted, choice, async (seq) => {
          await desk.discard(seq);
          return {};
        });
      });
    });
}

async function withDesk(
  self: Command,
  work: (desk: QuarantineDesk) => Promise<void>,
): Promise<void> {
  const context = openContext(self);
  const nc = await connectNats(natsOptions(context, "runbeat quarantine"));
  try {
    const by = `${userInfo().username}@${hostname()}`;
    await work(await openQuarantine(nc, prefixesOf(context.settings), by));
  } finally {
    await nc.close();
  }
}

function numberOf(text: string): number {
  const seq = Number(text);
  if (Number.isSafeInteger(seq) && seq > 0) return seq;
  throw new AppError("invalid", `"${text}" is not a number of \`runbeat quarantine list\``);
}

async function wantedSeqs(
  desk: QuarantineDesk,
  seqs: readonly string[],
  choice: Choice,
): Promise<number[]> {
  if (seqs.length > 0) return seqs.flatMap(rangeOf);
  if (choice.all !== true) {
    throw new AppError("invalid", "Name the messages by their numbers, or all of them with --all");
  }
  return chosen(await desk.list(), { ...choice, state: "open" }).map(({ seq }) => seq);
}

const MAX_RANGE = 100_000;

function rangeOf(text: string): number[] {
  const [from = "", to] = text.split("-");
  if (to === undefined) return [numberOf(from)];
  const [first, last] = [numberOf(from), numberOf(to)];
  if (last < first || last - first > MAX_RANGE) {
    throw new AppError("invalid", `"${text}" is not a range of at most ${MAX_RANGE} numbers`);
  }
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function fixOf({ file, subject }: Choice, messages: number): Fix {
  if (file === undefined) return subject === undefined ? {} : { subject };
  if (messages !== 1) throw new AppError("invalid", "--file mends one message: name just one");
  try {
    return { payload: readFileSync(file), ...(subject === undefined ? {} : { subject }) };
  } catch (error) {
    throw new AppError("invalid", `The file ${file} can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Goes on after a failure, and ends with exit code 1 if there was one. */
async function eachOf(
  seqs: readonly number[],
  choice: Choice,
  work: (seq: number) => Promise<object>,
): Promise<void> {
  const results: object[] = [];
  for (const seq of seqs) {
    const result = await work(seq).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      process.exitCode = error.code === "invalid" && seqs.length === 1 ? 2 : 1;
      return { error: error.message };
    });
    results.push({ seq, ...result });
    if (choice.json !== true) print(`${seq}: ${"error" in result ? result.error : "done"}\n`);
  }
  if (choice.json === true) print(jsonOf(results));
  else if (seqs.length === 0) print("nothing to do: no open message\n");
}

function chosen(entries: readonly QuarantineEntry[], choice: Choice): QuarantineEntry[] {
  return entries.filter(
    ({ state, reason }) =>
      (choice.state === "all" || state === "open") &&
      (choice.reason === undefined || choice.reason === reason),
  );
}

function entryJson({ resolvedBy, time, ...entry }: QuarantineEntry): object {
  return { ...entry, time: formatTime(time), resolved_by: resolvedBy };
}

function rejectedJson(seq: number, rejected: Rejected): object {
  const { reason, message, subject, sourceStream, sourceSeq, sourceTime, bytes, payload } =
    rejected;
  return {
    seq,
    reason,
    message,
    subject,
    source: { stream: sourceStream, seq: sourceSeq, time: sourceTime },
    bytes,
    payload: Buffer.from(payload).toString("base64"),
  };
}

function jsonOf(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}

/** What anybody may have sent is never given to a terminal as it is. */
function harmless(text: string): string {
  return text.replaceAll(
    /[^\x20-\x7E]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function tableOf(entries: readonly QuarantineEntry[]): string {
  if (entries.length === 0) return "no message in quarantine\n";
  const lines = entries.map(({ seq, time, reason, bytes, state, subject, message }) => {
    const mark = state === "open" ? "" : ` [${state}]`;
    return `${String(seq).padStart(7)}  ${formatTime(time)}  ${reason.padEnd(17)} ${String(bytes).padStart(6)} B  ${harmless(subject)}${mark}\n         ${harmless(message)}`;
  });
  const head = `    SEQ  TIME                      REASON             SIZE    SUBJECT`;
  return `${[head, ...lines, "", `${entries.length} messages`].join("\n")}\n`;
}

function textOf(rejected: Rejected): string {
  const { reason, message, subject, sourceStream, sourceSeq, sourceTime, bytes, payload } =
    rejected;
  return [
    `reason   ${reason}: ${harmless(message)}`,
    `subject  ${harmless(subject)}`,
    `from     ${sourceStream} ${sourceSeq}, ${sourceTime}`,
    `size     ${bytes} bytes`,
    "",
    payloadText(payload),
    "",
  ].join("\n");
}

function payloadText(payload: Uint8Array): string {
  const text = Buffer.from(payload).toString("utf8");
  if (!text.includes("\uFFFD")) return harmless(text);
  const shown = Buffer.from(payload.subarray(0, SHOWN_BYTES))
    .toString("hex")
    .replaceAll(/(.{2})/g, "$1 ");
  return payload.length > SHOWN_BYTES ? `${shown}… (--json has it whole)` : shown;
}
