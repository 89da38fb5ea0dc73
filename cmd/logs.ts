import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { AppError } from "../lib/core/errors.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { formatTime } from "../lib/core/time.ts";
import { OutputFollower } from "../lib/enforcer/output-follower.ts";
import type { RunLine } from "../lib/enforcer/output-follower.ts";
import { listRunners, listRuns } from "../lib/enforcer/run-files.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly follow?: true;
  readonly lines: number;
  readonly run: number;
  readonly json?: true;
}

const LOOK_EVERY_MS = 200;
const MAX_NAMED = 20;
const EXAMPLES = `
What a runner writes is kept on its host, bounded, for its last runs. It is there also when no
enforcer runs. Passwords in it are masked.

Examples:
  $ runbeat logs camera/front-door/hd
  $ runbeat logs process/bidder/default -f
  $ runbeat logs bidder/default --run 2 --lines 1000
  $ runbeat logs bidder/default --json | jq -r 'select(.source == "err").text'`;

export function command(): Command {
  return new Command("logs")
    .description("Shows what a runner's newest run on this host has written.")
    .argument("<id>", "kind/name/profile, or name/profile where that is clear")
    .option("-f, --follow", "go on with what comes, over restarts of the runner")
    .option("-n, --lines <count>", "how many of the last lines", count, 100)
    .option("--run <number>", "an earlier run: 1 is the newest, 2 the one before", ordinal, 1)
    .option("--json", "one JSON object a line: runner, run, time, source, text")
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: Options, self: Command) => {
      await show(openContext(self), id, options);
    });
}

function count(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of at least 0.");
}

function ordinal(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of at least 1.");
}

async function show(context: Context, id: string, options: Options): Promise<void> {
  const runsDir = join(context.paths.dataDir, "runs");
  const runner = runnerOf(runsDir, id);
  const runs = listRuns(runsDir, runner);
  const run = runs.at(-options.run);
  if (run === undefined) {
    const text = `${runner} has ${runs.length} runs here: --run takes 1 to ${runs.length}`;
    throw new AppError("not_found", text);
  }
  const follower = new OutputFollower(runsDir, runner, run);
  write(runner, follower.last(options.lines), options);
  if (options.follow === true) await follow(follower, runner, options);
  follower.close();
}

/** @throws AppError `not_found` that says what there is. */
function runnerOf(runsDir: string, id: string): RunnerId {
  const runners = listRunners(runsDir).toSorted();
  const meant = runners.filter((runner) => runner === id || runner.endsWith(`/${id}`));
  const [first] = meant;
  if (first !== undefined && meant.length === 1) return first;
  if (meant.length > 1) {
    throw new AppError("not_found", `${id} may be ${meant.join(" or ")}: write which`);
  }
  if (runners.length === 0) {
    throw new AppError(
      "not_found",
      `No runner has written anything below ${runsDir} yet: start them with runbeat up, or name ` +
        "another data folder with --data-dir",
    );
  }
  const more = runners.length > MAX_NAMED ? ` and ${runners.length - MAX_NAMED} more` : "";
  const named = `${runners.slice(0, MAX_NAMED).join(", ")}${more}`;
  throw new AppError("not_found", `${id} has no output on this host; what has: ${named}`);
}

async function follow(follower: OutputFollower, runner: RunnerId, options: Options): Promise<void> {
  const stopping = new AbortController();
  const stopped = untilStopped().then(() => stopping.abort());
  while (!stopping.signal.aborted) {
    write(runner, follower.next(), options);
    await delay(LOOK_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
  }
  await stopped;
}

function write(runner: RunnerId, lines: readonly RunLine[], { json }: Options): void {
  if (lines.length === 0) return;
  const text = lines.map((line) => (json === true ? jsonLine(runner, line) : plainLine(line)));
  process.stdout.write(`${text.join("\n")}\n`);
}

function jsonLine(runner: RunnerId, { run, time, source, text }: RunLine): string {
  return JSON.stringify({ runner, run: formatTime(run), time, source, text });
}

function plainLine({ time, text }: RunLine): string {
  return time === null ? text : `${time} ${text}`;
}
