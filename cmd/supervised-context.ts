/** What a supervised runner logs belongs to its run's output. */
import type { SupervisorLink } from "../lib/runner/supervisor-link.ts";
import type { Context } from "./context.ts";
import { createLog } from "./log.ts";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
/** Of every line; the output's own lines have the time, and there is one command in each. */
const EVERYWHERE = new Set(["level", "time", "process", "name", "msg"]);

/** The same context, whose log goes where the run's output goes. */
export function supervisedContext(context: Context, link: SupervisorLink): Context {
  const stream = {
    write: (json: string) => {
      link.output("err", plainLine(json));
    },
  };
  return { ...context, log: createLog(context.settings.logLevel, "run", stream) };
}

function plainLine(json: string): string {
  const fields = JSON.parse(json) as Record<string, unknown>;
  const rest = Object.entries(fields).filter(([name]) => !EVERYWHERE.has(name));
  const more = rest.length === 0 ? "" : ` ${JSON.stringify(Object.fromEntries(rest))}`;
  return `${LEVELS[Number(fields["level"])] ?? "log"}: ${String(fields["msg"])}${more}`;
}
