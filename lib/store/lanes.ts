/** Several sets of the same tables stand side by side, each under names of its own. */

/**
 * A lane is one full set of the status tables. `main` is the truth. `fast` exists while `main`
 * catches up: folded from the newest message of each subject only, so that statuses are right
 * within seconds; readers use it as long as the table `lane` says that it is active.
 */
export type ServedLane = "main" | "fast";

/**
 * `next` is what a rebuild folds until it takes the place of `main`; `old` is what `main` was
 * before that. Nobody is told anything from these two.
 */
export type Lane = ServedLane | "next" | "old";

/** The tables that statuses follow from: those of which a `fast_` twin exists. */
export const LANED_TABLES = [
  "process_heartbeat",
  "process_lifecycle",
  "latest_heartbeat",
  "restart_state",
] as const;

/** A table's name in a lane; tables of history have no `fast` twin. */
export function tableName(name: string, lane: Lane): string {
  switch (lane) {
    case "main":
      return name;
    case "fast":
      return (LANED_TABLES as readonly string[]).includes(name) ? `fast_${name}` : name;
    case "next":
    case "old":
      return `${lane}_${name}`;
  }
}
