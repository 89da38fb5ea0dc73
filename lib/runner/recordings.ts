/** Keeps a folder of recordings from growing for ever. */
import { readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";

const LOOK_EVERY_MS = 600_000;
/** As FFmpeg is told to name them: nothing else in the folder is ours to remove. */
const OURS = /^\d{8}-\d{6}\.mkv$/;

/** Removes recordings older than `keepHours`, now and every ten minutes. @returns what ends it. */
export function startRecordingCleanup(folder: string, keepHours: number): () => void {
  const clean = () => {
    removeOldRecordings(folder, keepHours, Date.now());
  };
  clean();
  const timer = setInterval(clean, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** By the time of their last change, epoch ms. What can't be removed stays. */
export function removeOldRecordings(folder: string, keepHours: number, now: number): void {
  for (const name of recordingsIn(folder)) {
    try {
      const path = join(folder, name);
      if (now - statSync(path).mtimeMs > keepHours * 3_600_000) unlinkSync(path);
    } catch {
      // Somebody else has removed it, or may not: tried again at the next look.
    }
  }
}

function recordingsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => OURS.test(name));
  } catch {
    return [];
  }
}
