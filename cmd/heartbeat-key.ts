import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { Context } from "./context.ts";

const OWNER_ONLY = 0o600;

/**
 * The ingest key of a small installation: RUNNER_HEARTBEAT_KEY, else the one generated at the first
 * start and kept in the data folder, readable by its owner only. Safe when two start at once.
 */
export function heartbeatKey({ settings, paths }: Pick<Context, "settings" | "paths">): string {
  const given = settings.ingest.heartbeatKey;
  if (given !== null) return given;
  const file = paths.heartbeatKeyFile;
  return readKey(file) ?? createKey(file) ?? readKey(file) ?? unreadable(file);
}

function readKey(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return unreadable(file, error);
  }
}

/** undefined when another process was first. */
function createKey(file: string): string | undefined {
  const key = randomBytes(24).toString("base64url");
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${key}\n`, { mode: OWNER_ONLY, flag: "wx" });
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    return unreadable(file, error);
  }
}

function unreadable(file: string, cause?: unknown): never {
  const why = cause === undefined ? "it is empty" : messageOf(cause);
  throw new AppError(
    "unavailable",
    `The heartbeat key in ${file} can't be used (${why}): mend or remove the file, or set RUNNER_HEARTBEAT_KEY`,
    { cause },
  );
}
