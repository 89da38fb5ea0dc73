/**
 * An analyser that is a JavaScript module of somebody else's, in this process. It exports
 * createAnalyser(), which answers {wants: {width, height, pixels, maxFps}, analyse(frame), stop?()}.
 * Whatever is wrong with it, the camera is watched; a module that blocks the process blocks all.
 */
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import type { FrameFormat } from "../../core/camera-session.ts";
import { AppError } from "../../core/errors.ts";
import type { Analyser } from "./analyser.ts";
import { parseAnswer } from "./answer.ts";

const MAX_SIDE = 4_096;
const MAX_FPS = 240;

/** Loads it; one that can't be loaded answers every picture with why. */
export async function loadModuleAnalyser(path: string): Promise<Analyser> {
  const name = basename(path);
  try {
    const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    const create = module["createAnalyser"];
    if (typeof create !== "function") {
      throw new AppError("invalid", "it must export a function createAnalyser");
    }
    return checked(name, (await create()) as Partial<Analyser> | undefined);
  } catch (error) {
    return brokenAnalyser(name, error);
  }
}

/** Asks for one small picture a second, so that its trouble shows. */
function brokenAnalyser(name: string, error: unknown): Analyser {
  return {
    name,
    wants: { width: 64, height: 36, pixels: "gray", maxFps: 1 },
    analyse: () => {
      throw error;
    },
  };
}

function checked(name: string, made: Partial<Analyser> | undefined): Analyser {
  const { wants, analyse, stop } = made ?? {};
  if (typeof analyse !== "function" || !isFormat(wants)) {
    const format = "{width, height, pixels: gray or rgb24, maxFps}";
    throw new AppError(
      "invalid",
      `createAnalyser() must answer {wants: ${format}, analyse(frame)}`,
    );
  }
  return {
    name,
    wants,
    analyse: async (frame) => parseAnswer(await analyse.call(made, frame)),
    ...(typeof stop === "function" ? { stop: async () => await stopQuietly(stop, made) } : {}),
  };
}

/** Its camera ends whatever it does. */
async function stopQuietly(stop: () => Promise<void>, made: unknown): Promise<void> {
  try {
    await stop.call(made);
  } catch {
    // Nobody could do anything about it any more.
  }
}

function isFormat(value: unknown): value is FrameFormat {
  if (typeof value !== "object" || value === null) return false;
  const { width, height, pixels, maxFps } = value as Record<string, unknown>;
  const isRate = typeof maxFps === "number" && maxFps > 0 && maxFps <= MAX_FPS;
  return isSize(width) && isSize(height) && (pixels === "gray" || pixels === "rgb24") && isRate;
}

function isSize(size: unknown): boolean {
  return Number.isInteger(size) && Number(size) >= 2 && Number(size) <= MAX_SIDE;
}
