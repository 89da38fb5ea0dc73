/** The command line: finds the command, runs it, and turns failures into one line and a code. */
import { Command, CommanderError } from "commander";
import { projectVersion } from "../config/project-root.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { redact } from "../lib/core/redact.ts";
import { COMMAND_TABLE } from "./command-table.ts";
import type { CommandEntry } from "./command-table.ts";

const DONE = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

const EXAMPLES = `
Examples:
  $ runbeat up                         everything on this machine, with two demo cameras
  $ runbeat status                     what is alive and what is wrong
  $ runbeat status --status offline    only what is down
  $ runbeat run --runner process/nightly/default -- ./nightly.sh

Every command explains itself: runbeat COMMAND --help`;

/**
 * Runs one command line and sets the exit code: 0 done, 1 failed, 2 wrong usage or configuration.
 * @param args without `node` and the script.
 */
export async function main(args: readonly string[]): Promise<void> {
  ignoreClosedPipe();
  const program = createProgram();
  try {
    await addCommands(program, args);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    await fail(error);
  }
}

/** `runbeat status | head` ends our output early; that is no failure. */
function ignoreClosedPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(DONE);
    throw error;
  });
}

function createProgram(): Command {
  return new Command("runbeat")
    .description(
      "Tells what is alive, what is wrong and what happened, for fleets of long-running programs.",
    )
    .version(projectVersion(), "-V, --version", "print the version")
    .option("--config <file>", "settings file (default: config/runbeat.yaml)")
    .option("--data-dir <dir>", "data folder (default: .runbeat)")
    .option("--nats-url <url>", "NATS server (default: the embedded one)")
    .option("--log-level <level>", "trace, debug, info, warn, error, fatal or silent")
    .helpOption("-h, --help", "explain")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(redact(oneLine(text))) })
    .exitOverride()
    .addHelpText("after", EXAMPLES);
}

/** Only what is asked for is loaded; the others stand in the list by name and summary. */
async function addCommands(program: Command, args: readonly string[]): Promise<void> {
  const wanted = wantedCommands(args);
  for (const entry of COMMAND_TABLE) {
    const command = wanted.includes(entry.name) ? await load(entry) : nameOnly(entry);
    program.addCommand(inherit(command, program));
  }
}

/** The first words that are no options: `status`, or `help status`. */
function wantedCommands(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).filter((word) => !word.startsWith("-"));
}

async function load(entry: CommandEntry): Promise<Command> {
  return (await entry.load()).command().summary(entry.summary);
}

function nameOnly(entry: CommandEntry): Command {
  return new Command(entry.name).summary(entry.summary);
}

function inherit(command: Command, from: Command): Command {
  command.copyInheritedSettings(from).helpOption("-h, --help", "explain");
  for (const inner of command.commands) inherit(inner, command);
  return command;
}

/** commander puts its suggestion on a line of its own. */
function oneLine(text: string): string {
  return `${text
    .trim()
    .replace(/^error: /, "runbeat: ")
    .replaceAll(/\s*\n\s*/g, " ")}\n`;
}

async function fail(error: unknown): Promise<void> {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === DONE ? DONE : WRONG_USAGE;
    return;
  }
  process.stderr.write(`runbeat: ${redact(await describe(error))}\n`);
  process.exitCode = error instanceof AppError && error.code === "invalid" ? WRONG_USAGE : FAILED;
}

/** What is no AppError is a fault of ours: where it came from helps to mend it. */
async function describe(error: unknown): Promise<string> {
  if (error instanceof AppError) return error.message.replaceAll(/\s*\n\s*/g, " ");
  // Loaded only here: most commands do without the client.
  const { noAnswer } = await import("../lib/nats/no-answer.ts");
  const unavailable = noAnswer(error);
  if (unavailable !== undefined) return unavailable.message;
  const where = error instanceof Error ? (error.stack?.split("\n")[1]?.trim() ?? "") : "";
  return `unexpected failure: ${messageOf(error)} ${where} (please report it)`;
}
