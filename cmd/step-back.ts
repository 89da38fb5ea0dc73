import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { basename } from "node:path";

/**
 * Lets whoever else wants a core have it at once. A thread of the lowest priority does not do: it
 * keeps a core that it has got for a slice of some milliseconds, and work that goes through several
 * processes may wait at each of them. Linux has a class of its own for what is to run on idle cores
 * only; where it can't be had, the lowest priority has to do. Does nothing on other systems.
 * @param thread the kernel's number of it; the calling one's unless given.
 */
export function stepBack(thread = ownThread()): void {
  if (thread === undefined) return;
  try {
    execFileSync("chrt", ["--idle", "--pid", "0", String(thread)], { stdio: "ignore" });
  } catch {
    lowerPriority(thread);
  }
}

/** Only Linux tells, and only there threads have priorities of their own. */
function ownThread(): number | undefined {
  try {
    return Number(basename(readlinkSync("/proc/thread-self")));
  } catch {
    return undefined;
  }
}

function lowerPriority(thread: number): void {
  try {
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch {
    // It goes on as it is.
  }
}
