import { Command } from "commander";
import type { Origin } from "../config/load-settings.ts";
import { SETTING_LIST } from "../config/setting-list.ts";
import type { SettingEntry } from "../config/setting-list.ts";
import { exampleFile, settingsTable } from "../config/settings-text.ts";
import { MASK, redactDeep } from "../lib/core/redact.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";

/** One setting as it is shown: never a secret. */
interface ShownSetting {
  readonly key: string;
  readonly value: unknown;
  readonly source: Origin["source"];
  /** The file, variable or flag; null for a default. */
  readonly from: string | null;
  readonly default: unknown;
  readonly env: string;
  readonly allowed: string;
  readonly about: string;
}

interface Options {
  readonly json?: boolean;
  readonly changed?: boolean;
  readonly example?: boolean;
  readonly markdown?: boolean;
}

export function command(): Command {
  return new Command("config")
    .description("Prints the effective settings and where each comes from. Secrets are masked.")
    .argument("[words...]", "show only keys that contain one of these")
    .option("--json", "as JSON")
    .option("--changed", "only what is not the default")
    .option("--example", "print a settings file with every key, commented out")
    .option("--markdown", "print every key as a table for documents")
    .addHelpText(
      "after",
      "\nExamples:\n  $ HEARTBEAT_ONLINE_SEC=20 runbeat config heartbeat\n  $ runbeat config --changed --json\n  $ runbeat config --example > config/runbeat.yaml",
    )
    .action((words: string[], options: Options, self: Command) => {
      if (options.example === true) return print(exampleFile());
      if (options.markdown === true) return print(settingsTable());
      const context = openContext(self);
      const shown = shownSettings(context).filter(
        ({ key, source }) =>
          (words.length === 0 || words.some((word) => key.includes(word))) &&
          (options.changed !== true || source !== "default"),
      );
      print(options.json === true ? asJson(context, shown) : asText(context, shown));
    });
}

function print(text: string): void {
  process.stdout.write(text);
}

function shownSettings(context: Context): ShownSetting[] {
  return SETTING_LIST.map((entry) => {
    const origin = context.origins.get(entry.key) ?? { source: "default" };
    const { setting } = entry;
    return {
      key: entry.key,
      value: masked(entry, valueAt(context.settings, entry.path)),
      source: origin.source,
      from: origin.source === "default" ? null : origin.name,
      default: setting.fallback,
      env: entry.env[0] ?? "",
      allowed: setting.allowed,
      about: setting.about,
    };
  });
}

function valueAt(node: unknown, path: readonly string[]): unknown {
  return path.reduce((inner, name) => (inner as Record<string, unknown>)[name], node);
}

function masked({ setting }: SettingEntry, value: unknown): unknown {
  if (value === null || (Array.isArray(value) && value.length === 0)) return value;
  return setting.secret ? MASK : redactDeep(value);
}

function asJson(context: Context, settings: readonly ShownSetting[]): string {
  const file = context.file ?? null;
  return `${JSON.stringify({ file, data_dir: context.paths.dataDir, settings }, null, 2)}\n`;
}

function asText(context: Context, settings: readonly ShownSetting[]): string {
  const rows = settings.map((shown) => [shown.key, valueText(shown), originText(shown)]);
  const widths = [0, 1].map((column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0), 0),
  );
  const lines = rows.map(([key = "", value = "", origin = ""]) =>
    `${key.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${origin}`.trimEnd(),
  );
  return [`# settings file: ${context.file ?? "none"}`, ...lines, ""].join("\n");
}

function valueText({ key, value }: ShownSetting): string {
  if (Array.isArray(value) && value.length > 0) return value.join(",");
  if (value !== null && !Array.isArray(value)) return JSON.stringify(value).replaceAll('"', "");
  const entry = SETTING_LIST.find((candidate) => candidate.key === key);
  return `(${entry?.setting.fallbackText ?? "none"})`;
}

function originText({ source, from }: ShownSetting): string {
  return from === null ? source : `${source} ${from}`;
}
