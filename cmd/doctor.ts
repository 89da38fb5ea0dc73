import { Command } from "commander";
import { redact } from "../lib/core/redact.ts";
import { paint, terminalLooks } from "../lib/terminal/style.ts";
import type { Colour, TerminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import type { Check } from "./doctor-check.ts";
import { checkMachine } from "./doctor-machine.ts";
import { checkNats } from "./doctor-nats.ts";
import { checkStore } from "./doctor-store.ts";

interface Options {
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("doctor")
    .description(
      "Checks versions, ports, disk, permissions, clock, NATS, streams and database, and says what to do. Exit code 1 if something is wrong.",
    )
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat doctor\n  $ NATS_URL=nats://10.0.0.5:4222 runbeat doctor --json",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      const checks = await runChecks(context);
      const { isTTY, columns } = process.stdout;
      const looks = terminalLooks({ isTTY, columns, environment: context.environment });
      process.stdout.write(options.json === true ? asJson(checks) : asText(checks, looks));
      if (checks.some(({ level }) => level === "fail")) process.exitCode = 1;
    });
}

async function runChecks(context: Context): Promise<Check[]> {
  const groups = [checkMachine, checkNats, checkStore].map(async (group) => await group(context));
  const checks = (await Promise.all(groups)).flat();
  return checks.map((check) => ({
    ...check,
    found: redact(check.found),
    advice: check.advice === null ? null : redact(check.advice),
  }));
}

function count(checks: readonly Check[], level: Check["level"]): number {
  return checks.filter((check) => check.level === level).length;
}

function asJson(checks: readonly Check[]): string {
  const summary = {
    ok: count(checks, "ok"),
    warn: count(checks, "warn"),
    fail: count(checks, "fail"),
  };
  return `${JSON.stringify({ summary, checks }, null, 2)}\n`;
}

const COLOURS: Record<Check["level"], Colour> = { ok: "green", warn: "yellow", fail: "red" };
const LEVEL_WIDTH = 4;

function asText(checks: readonly Check[], looks: TerminalLooks): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = " ".repeat(LEVEL_WIDTH + width + 4);
  const lines = checks.flatMap(({ level, name, found, advice }) => [
    `${paint(level.padEnd(LEVEL_WIDTH), COLOURS[level], looks)}  ${name.padEnd(width)}  ${found}`,
    ...(advice === null ? [] : [`${indent}${looks.unicode ? "→" : "->"} ${advice}`]),
  ]);
  const [warn, fail] = [count(checks, "warn"), count(checks, "fail")];
  return `${[...lines, "", `${count(checks, "ok")} ok, ${warn} to look at, ${fail} wrong`].join("\n")}\n`;
}
