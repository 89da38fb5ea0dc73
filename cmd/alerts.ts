import { hostname } from "node:os";
import { Command } from "commander";
import type { Alert } from "../lib/core/alert.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { SilenceRequest } from "../lib/core/silence.ts";
import { formatTime } from "../lib/core/time.ts";
import { openSink } from "../lib/sentinel/sinks.ts";
import { alertLines, silenceLines } from "../lib/terminal/alert-list.ts";
import type { ShownAlert, ShownSilence } from "../lib/terminal/alert-list.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import type { TerminalLooks } from "../lib/terminal/style.ts";
import { addSilence, liftSilence } from "./alert-silences.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";

const PAGE = 1_000;

interface ListOptions {
  readonly all?: true;
  readonly json?: true;
  readonly url?: string;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly as_of: { readonly time: string };
}

const EXAMPLES = `
Examples:
  $ runbeat alerts                                        # what is open
  $ runbeat alerts --all --json
  $ runbeat alerts silence 'camera/*' --for 2h --reason "lens cleaning"
  $ runbeat alerts test                                   # tries every sink`;

export function command(): Command {
  return new Command("alerts")
    .description("Shows the alerts that are open, silences some, and tries the sinks.")
    .addHelpText("after", EXAMPLES)
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(silenceCommand())
    .addCommand(silencesCommand())
    .addCommand(unsilenceCommand())
    .addCommand(testCommand());
}

function listCommand(): Command {
  return new Command("list")
    .summary("show alerts (what happens without a word)")
    .description("Shows the alerts that are open, the newest first.")
    .option("--all", "also those that are resolved")
    .option("--url <url>", "another installation's API")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat alerts list --all")
    .action(async (options: ListOptions, self: Command) => {
      const state = options.all === true ? "" : "&state=open";
      const path = `/api/v1/alerts?limit=${PAGE}${state}`;
      await show<ShownAlert>(openContext(self), options, path, alertScreen);
    });
}

function silencesCommand(): Command {
  return new Command("silences")
    .summary("show what is silenced")
    .description("Shows the silences that are not over.")
    .option("--all", "also those that are over or were lifted")
    .option("--url <url>", "another installation's API")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat alerts silences")
    .action(async (options: ListOptions, self: Command) => {
      const path = `/api/v1/silences?limit=${PAGE}${options.all === true ? "&all=1" : ""}`;
      await show<ShownSilence>(openContext(self), options, path, silenceScreen);
    });
}

async function show<Item>(
  context: Context,
  options: ListOptions,
  path: string,
  screen: (page: Page<Item>, looks: TerminalLooks) => string[],
): Promise<void> {
  await withSomeApi(context, options.url, async (api: ReadApi) => {
    const page = (await api.get(path)) as Page<Item>;
    const { columns, isTTY } = process.stdout;
    const looks = terminalLooks({ isTTY, columns, environment: context.environment });
    const text =
      options.json === true ? JSON.stringify(page, null, 2) : screen(page, looks).join("\n");
    process.stdout.write(`${text}\n`);
  });
}

function alertScreen({ items, as_of }: Page<ShownAlert>, looks: TerminalLooks): string[] {
  if (items.length === 0) return ["No alert is open."];
  const nowMs = Date.parse(as_of.time);
  return items.flatMap((alert, index) => [
    ...(index === 0 ? [] : [""]),
    ...alertLines(alert, nowMs, looks),
  ]);
}

function silenceScreen({ items, as_of }: Page<ShownSilence>, looks: TerminalLooks): string[] {
  if (items.length === 0) return ["Nothing is silenced."];
  return silenceLines(items, Date.parse(as_of.time), looks);
}

function silenceCommand(): Command {
  return new Command("silence")
    .summary("tell nobody of some runners for a while")
    .description("Alerts of these runners are kept, but nobody is told of them.")
    .argument(
      "<pattern>",
      "of runners, such as camera/*/hd, camera, or * for all; host:edge-1; alert:ID",
    )
    .option("--for <duration>", "how long: 30m, 2h, 3d")
    .option("--until <time>", "the same, as its end: 2026-01-31T18:00:00Z")
    .option("--from <time>", "when it begins, for a maintenance that is planned (default: now)")
    .option("--reason <text>", "why, for whoever wonders")
    .addHelpText("after", "\nExample:\n  $ runbeat alerts silence 'camera/*' --for 2h")
    .action(async (pattern: string, options: Omit<SilenceRequest, "pattern">, self: Command) => {
      const request = { ...options, pattern };
      const { id, from, until } = await addSilence(openContext(self), request);
      const span = `from ${formatTime(from)} to ${formatTime(until)}`;
      process.stdout.write(
        `${pattern} is silenced ${span}. To end it: runbeat alerts unsilence ${id}\n`,
      );
    });
}

function unsilenceCommand(): Command {
  return new Command("unsilence")
    .summary("end a silence")
    .description("Ends a silence before its time.")
    .argument("<id>", "as `runbeat alerts silences` shows it")
    .addHelpText("after", "\nExample:\n  $ runbeat alerts unsilence 4fe1c0aa")
    .action(async (id: string, _options: unknown, self: Command) => {
      await lift(openContext(self), id);
    });
}

async function lift(context: Context, id: string): Promise<void> {
  await withSomeApi(context, undefined, async (api) => {
    const page = (await api.get(`/api/v1/silences?limit=${PAGE}`)) as Page<ShownSilence>;
    if (page.items.some((silence) => silence.id === id)) return;
    throw new AppError("not_found", `There is no silence "${id}": see runbeat alerts silences`);
  });
  await liftSilence(context, id);
  process.stdout.write(`The silence ${id} is over.\n`);
}

function testCommand(): Command {
  return new Command("test")
    .summary("try the sinks")
    .description("Sends a test alert to every sink, or to one, and says how each took it.")
    .argument("[sink]", "its name")
    .addHelpText("after", "\nExample:\n  $ runbeat alerts test mail")
    .action(async (name: string | undefined, _options: unknown, self: Command) => {
      await testSinks(openContext(self), name);
    });
}

async function testSinks(context: Context, name: string | undefined): Promise<void> {
  const { settings, log } = context;
  const all = settings.alerts.sinks;
  const wanted = all.filter((sink) => name === undefined || sink.name === name);
  if (wanted.length === 0) {
    const known = all.length === 0 ? "there are none" : all.map((sink) => sink.name).join(", ");
    throw new AppError("invalid", `There is no sink "${name ?? ""}" in alerts.sinks: ${known}`);
  }
  const by = `runbeat@${hostname()}`;
  const alert = testAlert(Date.now());
  const notice = { key: alert.id, alerts: [alert] };
  for (const sink of wanted) {
    try {
      await openSink(sink, { log, by }).deliver(notice, new AbortController().signal);
      process.stdout.write(`ok    ${sink.name} (${sink.type})\n`);
    } catch (error) {
      process.stdout.write(`FAIL  ${sink.name} (${sink.type}): ${messageOf(error)}\n`);
      process.exitCode = 1;
    }
  }
}

function testAlert(now: number): Alert {
  const name = "camera/example/hd";
  return {
    id: `test-${now.toString(36)}`,
    type: "runner_offline",
    severity: "warning",
    action: "raised",
    revision: 1,
    notify: true,
    group: "test",
    title: "This is a test of Runbeat's alerts: nothing is wrong",
    openedAt: now,
    resolvedAt: null,
    members: [
      { name, since: now, detail: "an example, no such runner need exist", silenced: false },
    ],
    memberCount: 1,
  };
}
