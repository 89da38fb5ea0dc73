/** Where things lie, as absolute paths. Relative settings count from the current folder. */
import { accessSync, constants, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { projectRoot } from "./project-root.ts";
import type { Settings } from "./settings.ts";

export interface Paths {
  readonly projectRoot: string;
  readonly dataDir: string;
  /** The SQLite file of the read models. */
  readonly databaseFile: string;
  /** The SQLite file of the marks, from which past states are folded. */
  readonly marksFile: string;
  /** Store of the embedded nats-server. */
  readonly natsDir: string;
  readonly logsDir: string;
  /** Folders that may hold programs fetched before, the one to fetch into first. */
  readonly cacheDirs: readonly [string, ...string[]];
  readonly fleetFile: string;
  readonly lockFile: string;
  readonly heartbeatKeyFile: string;
}

export function pathsOf(settings: Settings): Paths {
  const root = projectRoot();
  const dataDir = resolve(settings.dataDir);
  return {
    projectRoot: root,
    dataDir,
    databaseFile: databaseFile(settings, dataDir),
    marksFile: join(dataDir, "marks.db"),
    natsDir: join(dataDir, "nats"),
    logsDir: join(dataDir, "logs"),
    cacheDirs: cacheDirs(settings, root, dataDir),
    fleetFile: settings.fleet === null ? demoFleet(root) : resolve(settings.fleet),
    lockFile: resolve(settings.restart.lockFile ?? join(dataDir, "enforcer.lock")),
    heartbeatKeyFile: join(dataDir, "heartbeat.key"),
  };
}

function demoFleet(root: string): string {
  return join(root, "config", "demo-fleet.yaml");
}

function databaseFile({ databaseUrl }: Settings, dataDir: string): string {
  if (databaseUrl === null) return join(dataDir, "runbeat.db");
  return resolve(databaseUrl.replace(/^(sqlite|file):(\/\/)?/i, ""));
}

function cacheDirs(settings: Settings, root: string, dataDir: string): [string, ...string[]] {
  if (settings.cacheDir !== null) return [resolve(settings.cacheDir)];
  const own = join(dataDir, "cache");
  const shared = join(root, ".cache");
  return isWritable(existsSync(shared) ? shared : root) ? [shared, own] : [own, shared];
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
