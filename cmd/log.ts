/** Logging: to stderr, readable on a terminal and JSON elsewhere, never with a password in it. */
import { createRequire } from "node:module";
import { destination, pino, stdSerializers, stdTimeFunctions } from "pino";
import type { DestinationStream, Logger, LoggerOptions } from "pino";
import { redact, redactDeep } from "../lib/core/redact.ts";

export type { Logger } from "pino";

const STDERR = 2;

/**
 * @param name of the command that logs: several write to one terminal.
 * @param stream stderr unless given.
 */
export function createLog(level: string, name: string, stream?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    name,
    // Not `pid`: lines about other processes have that.
    base: { process: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    serializers: { err: (error: Error) => redactDeep(stdSerializers.err(error)) },
    formatters: { log: (fields) => redactFields(fields) },
    hooks: {
      logMethod(args, method) {
        method.apply(this, args.map(redactText) as typeof args);
      },
    },
  };
  return pino(options, stream ?? standardError());
}

/** Errors are left to their serializer. */
function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? value : redactDeep(value, name),
    ]),
  );
}

function redactText(value: unknown): unknown {
  return typeof value === "string" ? redact(value) : value;
}

function standardError(): DestinationStream {
  if (!process.stderr.isTTY) return destination({ dest: STDERR, sync: true });
  // Loaded on a terminal only: it takes longer than most commands.
  const { build } = createRequire(import.meta.url)("pino-pretty") as typeof import("pino-pretty");
  return build({
    destination: STDERR,
    sync: true,
    singleLine: true,
    ignore: "process,pid",
    translateTime: "HH:MM:ss",
  });
}
