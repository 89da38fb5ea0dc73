/** Marks of past states: where they are, and the thread that keeps them. */
import { messageOf } from "../lib/core/errors.ts";
import { openMarkStore } from "../lib/store/mark-store.ts";
import type { MarkStore } from "../lib/store/mark-store.ts";
import type { Context } from "./context.ts";
import type { MarksThreadData } from "./marks-thread.ts";
import { natsThreadData } from "./nats-thread-data.ts";
import { startSideThread } from "./side-thread.ts";
import type { SideThread } from "./side-thread.ts";

/** Whoever ends the projector does not wait longer for what is only saved work. */
const CLOSE_MS = 2_000;

/** Opens them for whoever looks back; undefined where there are none to be had. */
export function openMarks({ settings, paths, log }: Context): MarkStore | undefined {
  return openMarksFile(paths.marksFile, settings.marks.maxBytes, log);
}

/** The same of a file. @param maxBytes of all marks; 0 where none are kept. */
export function openMarksFile(
  file: string,
  maxBytes: number,
  log: Pick<Context["log"], "debug">,
): MarkStore | undefined {
  if (maxBytes === 0) return undefined;
  try {
    return openMarkStore(file, maxBytes);
  } catch (error) {
    log.debug(`the past is folded without marks: ${messageOf(error)}`);
    return undefined;
  }
}

/** Starts the thread. That it fails is said, and is no reason for the projector to end. */
export function startMarksThread(context: Context): Pick<SideThread, "close"> {
  const { settings, paths, log } = context;
  if (settings.marks.maxBytes === 0) return { close: async () => {} };
  const data: MarksThreadData = {
    ...natsThreadData(context, "runbeat marks"),
    databaseFile: paths.databaseFile,
    marksFile: paths.marksFile,
    maxBytes: settings.marks.maxBytes,
  };
  const file = new URL("./marks-thread.js", import.meta.url);
  const thread = startSideThread(file, data, CLOSE_MS);
  thread.worker.on("error", (error) => {
    log.warn(`no marks of past states are kept: ${messageOf(error)}`);
  });
  return thread;
}
