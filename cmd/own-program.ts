import { availableParallelism } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../config/project-root.ts";

/** As many as Node starts by itself, whatever the machine. */
const MOST_HELPERS = 4;

/** One of our own commands as another process: what to start, and its first arguments. */
export function ownProgram(): { readonly file: string; readonly args: readonly string[] } {
  const program = join(projectRoot(), "dist", "cmd", "runbeat.js");
  return { file: process.execPath, args: [...helperFlags(availableParallelism()), program] };
}

/**
 * V8's threads that collect garbage and compile beside the one that works. Node starts four in each
 * process; on two cores those of one process take both from everybody else for tens of
 * milliseconds. So each has as many as there are other cores.
 */
export function helperFlags(cores: number): readonly string[] {
  const helpers = Math.max(1, cores - 1);
  return helpers < MOST_HELPERS ? [`--v8-pool-size=${helpers}`] : [];
}
