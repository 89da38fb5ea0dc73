/** The settings as text for people: an example file and the table of the README. */
import { SETTING_LIST } from "./setting-list.ts";
import type { SettingEntry } from "./setting-list.ts";

const INDENT = "  ";
const MAX_WIDTH = 98;

/** A settings file with every key, its default and what it is for; no key is set. */
export function exampleFile(): string {
  const lines = [
    "# Settings of Runbeat. To change one, take the # from the line of its key. Each has its default.",
    "# The environment wins over this file, flags over both: runbeat config shows what holds.",
  ];
  let group: readonly string[] = [];
  for (const entry of SETTING_LIST) {
    const parts = entry.key.split(".").slice(0, -1);
    if (parts.join(".") !== group.join(".")) lines.push("", ...groupLines(parts, group));
    else if (parts.length === 0) lines.push("");
    group = parts;
    lines.push(...exampleLines(entry));
  }
  return `${lines.join("\n")}\n`;
}

function groupLines(parts: readonly string[], before: readonly string[]): string[] {
  const first = parts.findIndex((part, index) => part !== before[index]);
  return parts.slice(Math.max(first, 0)).map((part, index) => {
    return `${INDENT.repeat(Math.max(first, 0) + index)}${part}:`;
  });
}

function exampleLines({ key, env, setting }: SettingEntry): string[] {
  const parts = key.split(".");
  const indent = `${INDENT.repeat(parts.length - 1)}# `;
  const about = wrap(`${setting.about}. (${env[0] ?? ""})`, MAX_WIDTH - indent.length);
  const value = setting.fallback === null ? "null" : JSON.stringify(setting.fallback);
  const note = setting.fallbackText === undefined ? "" : ` # ${setting.fallbackText}`;
  return [
    ...about.map((line) => indent + line),
    `${indent}${parts.at(-1)}: ${plainYaml(value)}${note}`,
  ];
}

/** `"info"` needs no quotes in YAML, `[5,15,45]` reads better with spaces. */
function plainYaml(json: string): string {
  return /^"[A-Za-z][\w.-]*"$/.test(json) ? json.slice(1, -1) : json.replaceAll(",", ", ");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

/** A Markdown table: key, environment, default, meaning. */
export function settingsTable(): string {
  const rows = SETTING_LIST.map(({ key, env, setting }) => [
    `\`${key}\``,
    env.map((name) => `\`${name}\``).join(", "),
    `\`${setting.fallbackText ?? plainYaml(JSON.stringify(setting.fallback))}\``,
    setting.about,
  ]);
  const all = [["key", "environment", "default", "meaning"], ["---", "---", "---", "---"], ...rows];
  return `${all.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`;
}
