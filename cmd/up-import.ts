/** `runbeat up` on what was imported: to look at, with nothing that would add to it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathsOf } from "../config/paths.ts";
import { streamName } from "../lib/core/subject.ts";
import { formatTime } from "../lib/core/time.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { sequenceAt } from "../lib/nats/stream-times.ts";
import { findTarget } from "../lib/operator/import-target.ts";
import type { Context } from "./context.ts";
import { checkFile, importInto } from "./import-into.ts";
import { natsOptions } from "./nats-options.ts";
import { progressLine } from "./progress-line.ts";
import { prefixesOf } from "./stream-options.ts";

const POLL_MS = 200;

/** What is shown of an import. */
export interface ShownImport {
  /** Of its first heartbeat, epoch ms. */
  readonly firstMs: number;
  /** Where its clock stands, epoch ms. */
  readonly endMs: number;
}

/** How far back the commands look that are proposed. */
const LOOK_BACK_MS = 600_000;

/**
 * Imports a file into a data folder of its own, within the configured one, and gives the context
 * of that folder. One that is there already is used again.
 * @throws AppError for a file that is no whole export.
 */
export async function openExport(
  context: Context,
  file: string,
  signal: AbortSignal,
): Promise<Context> {
  const checked = await checkFile(file, signal);
  const own = ownContext(context, join(context.paths.dataDir, "exports", checked.id));
  await importInto(own, { checked, isDiscarding: false, signal });
  return own;
}

/** Nothing of the live installation is touched: folder, database, server and port are others. */
function ownContext(context: Context, dataDir: string): Context {
  const { settings, origins } = context;
  const isPortGiven = origins.get("http.port")?.source === "flag";
  const own = {
    ...settings,
    dataDir,
    databaseUrl: null,
    nats: { ...settings.nats, url: null, port: 0 },
    http: { ...settings.http, port: isPortGiven ? settings.http.port : 0 },
  };
  mkdirSync(dataDir, { recursive: true });
  return { ...context, settings: own, paths: pathsOf(own) };
}

/** Undefined where the streams are no import's. */
export async function findImport(context: Context, url: string): Promise<ShownImport | undefined> {
  const nc = await connectNats({ ...natsOptions(context, "runbeat up"), url });
  try {
    const jsm = await openJetStream(nc);
    const prefixes = prefixesOf(context.settings);
    const target = await findTarget(jsm, prefixes);
    if (target.kind !== "import") return undefined;
    const endMs = target.endMs ?? Date.now();
    const { firstTime = endMs } = await sequenceAt(jsm, streamName(prefixes, "heartbeats"), endMs);
    return { firstMs: firstTime, endMs };
  } finally {
    await nc.close();
  }
}

/** Only runners that are in the import are shown, unless a fleet was named. */
export function withoutDemoFleet(context: Context): Context {
  if (context.settings.fleet !== null) return context;
  const fleetFile = join(context.paths.dataDir, "no-fleet.yaml");
  writeFileSync(fleetFile, "runners: {}\n");
  return { ...context, paths: { ...context.paths, fleetFile } };
}

/** Waits until everything is folded, however long that takes. */
export async function untilFolded(apiUrl: string, signal: AbortSignal): Promise<void> {
  const progress = progressLine();
  try {
    for (;;) {
      const response = await fetch(`${apiUrl}/readyz`, { signal }).catch(() => undefined);
      signal.throwIfAborted();
      if (response?.ok === true) return;
      progress.show("folding what was imported");
      await delay(POLL_MS, undefined, { signal });
    }
  } finally {
    progress.clear();
  }
}

export function sayImport({ say, paths }: Context, apiUrl: string, shown: ShownImport): void {
  const { firstMs, endMs } = shown;
  const near = relative(process.cwd(), paths.dataDir);
  const dir = near.startsWith("..") ? paths.dataDir : near;
  const before = formatTime(Math.max(firstMs, endMs - LOOK_BACK_MS));
  say(
    [
      "",
      `PAST: an export is shown as it stood at ${formatTime(endMs)}. Nothing is added to it.`,
      `  API   ${apiUrl}/api/v1/runners   (reference: ${apiUrl}/docs)`,
      `  data  ${dir}`,
      "",
      `Look:    npx runbeat status --data-dir ${dir}`,
      `         npx runbeat replay --data-dir ${dir} --from ${before} --to ${formatTime(endMs)}`,
      `         npx runbeat state --data-dir ${dir} --at ${before}`,
      "Stop:    ctrl-C; the next time it opens at once",
      "",
    ].join("\n"),
  );
}
