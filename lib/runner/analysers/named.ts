/** The analysers that a fleet file can name. */
import { isAbsolute } from "node:path";
import { AppError } from "../../core/errors.ts";
import type { AnalyserProgram } from "../../core/fleet.ts";
import type { Analyser } from "./analyser.ts";
import { loadModuleAnalyser } from "./module.ts";
import { createMotionAnalyser } from "./motion.ts";
import { createProgramAnalyser } from "./program.ts";
import type { ProgramContext } from "./program.ts";

/** Wants no pictures: frames are only counted. */
function createNoAnalyser(): Analyser {
  return { name: "none", wants: null, analyse: () => ({ detected: 0, matched: 0 }) };
}

const ANALYSERS: Readonly<Record<string, () => Analyser>> = {
  none: createNoAnalyser,
  motion: createMotionAnalyser,
};

export const ANALYSER_NAMES: readonly string[] = Object.keys(ANALYSERS);

/** @throws AppError `invalid` for a name that there is none of. */
export function createAnalyser(name: string): Analyser {
  const create = Object.hasOwn(ANALYSERS, name) ? ANALYSERS[name] : undefined;
  if (create !== undefined) return create();
  const known = ANALYSER_NAMES.join(", ");
  throw new AppError("invalid", `There is no analyser "${name}": choose one of ${known}`);
}

/**
 * Opens an analyser by its name, the absolute path of its module, or its command.
 * @throws AppError `invalid` for a name that there is none of.
 */
export async function openAnalyser(
  wanted: string | AnalyserProgram,
  context: ProgramContext,
): Promise<Analyser> {
  if (typeof wanted !== "string") return createProgramAnalyser(wanted, context);
  return isAbsolute(wanted) ? await loadModuleAnalyser(wanted) : createAnalyser(wanted);
}
