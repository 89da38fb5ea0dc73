import { SETTING_LIST } from "../config/setting-list.ts";
import type { Context } from "./context.ts";

/** What was given by flags, as variables: our own children take no flags. */
export function flagEnvironment({
  settings,
  origins,
}: Pick<Context, "settings" | "origins">): Record<string, string> {
  const given = SETTING_LIST.filter(({ key }) => origins.get(key)?.source === "flag").map(
    ({ env, path }) => [env[0] ?? "", String(valueAt(settings, path))],
  );
  return Object.fromEntries(given) as Record<string, string>;
}

function valueAt(node: unknown, path: readonly string[]): unknown {
  return path.reduce((inner, name) => (inner as Record<string, unknown>)[name], node);
}
