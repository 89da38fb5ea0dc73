import { Command } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { countText } from "../lib/core/amount.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { checkFile, importInto } from "./import-into.ts";
import type { ImportOutcome as Outcome } from "./import-into.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly discard?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("import")
    .description(
      "Puts an export into an empty installation, with the sequences and times that its messages had. Without a NATS server named or running, the data folder's own is started for it.",
    )
    .argument("[file]", "what `runbeat export` wrote")
    .option("--discard", "throw away what was imported here before")
    .option("--json", "say what was imported as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat import incident.ndjson.gz --data-dir incident\n  $ runbeat up --data-dir incident\n  $ runbeat import --discard --data-dir incident",
    )
    .action(async (file: string | undefined, options: Options, self: Command) => {
      if (file === undefined && options.discard !== true) {
        throw new AppError("invalid", "Name the file to import: runbeat import FILE");
      }
      const context = openContext(self);
      const outcome = await run(context, file, options);
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(asJson(outcome), null, 2)}\n`
          : `${asText(context, outcome).join("\n")}\n`,
      );
    });
}

async function run(context: Context, file: string | undefined, options: Options): Promise<Outcome> {
  const abort = new AbortController();
  void untilStopped().then((reason) =>
    abort.abort(new AppError("unavailable", `Stopped (${reason}): the same command goes on`)),
  );
  const checked = file === undefined ? undefined : await checkFile(file, abort.signal);
  const isDiscarding = options.discard === true;
  return await importInto(context, { checked, isDiscarding, signal: abort.signal });
}
function asJson({ discarded, imported }: Outcome): object {
  if (imported === undefined) return { discarded };
  const { outcome, messages, export: from } = imported;
  return {
    discarded,
    outcome,
    id: from.id,
    messages,
    to: from.manifest.to,
    streams: from.end.streams,
  };
}

function asText({ settings, paths }: Context, { discarded, imported }: Outcome): string[] {
  const gone = discarded.length === 0 ? [] : [`Thrown away: ${discarded.join(", ")}.`];
  if (imported === undefined) {
    return gone.length > 0 ? gone : ["Nothing was imported here: there is nothing to throw away."];
  }
  const { outcome, messages, export: from } = imported;
  const count = `${countText(messages)} messages of ${from.file}`;
  const where =
    settings.nats.url === null ? `--data-dir ${paths.dataDir}` : `--nats-url ${settings.nats.url}`;
  const done = {
    imported: `Imported ${count}.`,
    resumed: `Imported the rest of ${count}: a part was there already.`,
    there: `All ${count} are here already.`,
  }[outcome];
  return [
    ...gone,
    done,
    `It is a record: nothing can be added to it, and its clock stands at ${from.manifest.to}.`,
    `Look:  runbeat up ${where}`,
  ];
}
