/** The settings as a flat list, each with its key and its names in the environment. */
import { SETTING_TREE } from "./settings.ts";
import type { Setting } from "./settings.ts";

export interface SettingEntry {
  /** `heartbeat.online_sec`, as in the file and in messages. */
  readonly key: string;
  /** `["heartbeat", "onlineSec"]`, as in the code. */
  readonly path: readonly string[];
  /** Names in the environment; the first that is set wins. */
  readonly env: readonly string[];
  readonly setting: Setting<unknown>;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function isSetting(node: object): node is Setting<unknown> {
  return "is" in node && node.is === "setting";
}

function entriesOf(node: object, path: readonly string[]): SettingEntry[] {
  if (!isSetting(node)) {
    return Object.entries(node).flatMap(([name, inner]) =>
      entriesOf(inner as object, [...path, name]),
    );
  }
  const parts = path.map(snakeCase);
  const ownName = `RUNBEAT_${parts.join("_").toUpperCase()}`;
  const env = node.env.length > 0 ? node.env : [ownName];
  return [{ key: parts.join("."), path, env, setting: node }];
}

export const SETTING_LIST: readonly SettingEntry[] = entriesOf(SETTING_TREE, []);
