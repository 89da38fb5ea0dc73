import { AppError } from "../../core/errors.ts";
import { LOCKED_EXIT_CODE, describeExit } from "./child.ts";
import type { ServerChild } from "./child.ts";
import { describePortHolder } from "./port-holder.ts";
import { describeHolder } from "./store-folder.ts";

export interface FailedStart {
  readonly child: ServerChild;
  readonly binary: string;
  readonly port: number;
  readonly storeDir: string;
  /** The last lines of its log. */
  readonly said: string;
}

/** Why the server ended before it was ready, and what to do. */
export async function startFailure(start: FailedStart): Promise<AppError> {
  const { child, binary, port, storeDir, said } = start;
  if (child.process.exitCode === LOCKED_EXIT_CODE) {
    return new AppError(
      "conflict",
      `Store folder ${storeDir} is in use${describeHolder(storeDir)}. ` +
        "Stop that first, or set --data-dir to another folder",
    );
  }
  if (/address already in use/i.test(said)) {
    return new AppError(
      "conflict",
      `Port ${port} on 127.0.0.1 is taken by ${await describePortHolder(port)}. Stop it, set ` +
        `RUNBEAT_NATS_PORT to another port, or NATS_URL=nats://127.0.0.1:${port} to use it`,
    );
  }
  const what = said === "" ? "" : ` It said: ${said}.`;
  return new AppError(
    "unavailable",
    `${describeExit(child)} (${binary}).${what}${adviceFor(said, storeDir)}`,
  );
}

function adviceFor(said: string, storeDir: string): string {
  if (/no space left/i.test(said)) return ` The disk of ${storeDir} is full: free some space`;
  if (/permission denied/i.test(said)) return ` Give ${storeDir} to this user`;
  return "";
}
