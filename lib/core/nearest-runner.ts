import { nearestWord } from "./nearest-word.ts";

/** Suggestions at most. */
const MAX_NEAREST = 3;

/**
 * Which of the runners may have been meant by one that does not exist: those of the same name first,
 * then the one that is written most like it.
 */
export function nearestRunner(wanted: string, runners: readonly string[]): string[] {
  const [, name = ""] = wanted.split("/");
  const named = runners.filter((runner) => runner.split("/")[1] === name);
  if (named.length > 0) return named.slice(0, MAX_NEAREST);
  const nearest = nearestWord(wanted, runners);
  return nearest === undefined ? [] : [nearest];
}
