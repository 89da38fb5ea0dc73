/**
 * Every setting of Runbeat, each with its default, bounds, names and one line of explanation. A key
 * is written `heartbeat.online_sec` in the file and `settings.heartbeat.onlineSec` in the code; the
 * environment has the name given here, or `RUNBEAT_` and the key in capitals.
 */
import { alerts, sentinel } from "./alert-settings.ts";
import { http, ingest, nats } from "./connection-settings.ts";
import { checks, resources } from "./host-settings.ts";
import {
  bytes,
  choice,
  flag,
  orNone,
  seconds,
  secondsList,
  text,
  textList,
  wholeNumber,
} from "./setting-kinds.ts";
import type { Setting } from "./setting-kinds.ts";

const DAY_SEC = 86_400;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
function stream(what: string, maxAgeSec: number) {
  return {
    maxAgeSec: seconds({
      about: `How long ${what} are kept`,
      fallback: maxAgeSec,
      min: 1,
    }),
    maxBytes: orNone(
      bytes({ about: `Most disk that ${what} may take`, fallback: 0, min: 1_048_576 }),
      "unlimited",
    ),
    maxMessages: messages(what),
  };
}

function messages(what: string): Setting<number | null> {
  const most = { about: `Most ${what} that are kept`, fallback: 0, min: 1 };
  return orNone(wholeNumber(most), "unlimited");
}

function withDefault<T>(setting: Setting<T>, fallback: T): Setting<T> {
  return { ...setting, fallback, fallbackText: undefined };
}

const heartbeat = {
  intervalSec: seconds({
    about: "How often a runner beats",
    fallback: 10,
    min: 0.1,
    env: ["HEARTBEAT_INTERVAL_SEC", "HEARTBEAT_INTERVAL_SECS"],
  }),
  onlineSec: seconds({
    about: "Up to this age of its last heartbeat a runner is online",
    fallback: 15,
    min: 0.1,
    env: ["HEARTBEAT_ONLINE_SEC"],
  }),
  staleSec: seconds({
    about: "Up to this age it is stale",
    fallback: 45,
    min: 0.1,
    env: ["HEARTBEAT_STALE_SEC"],
  }),
  offlineSec: seconds({
    about: "Up to this age it is missing, and offline after it",
    fallback: 120,
    min: 0.1,
    env: ["HEARTBEAT_OFFLINE_SEC"],
  }),
  snapshotEverySec: seconds({
    about: "How often a runner sends the heavy part (checks, metrics, labels, resources, detail)",
    fallback: 15,
    min: 0,
    env: ["HEARTBEAT_SNAPSHOT_EVERY"],
  }),
  logEverySec: seconds({
    about: "At most one snapshot a runner in this time is kept for history; 0 keeps none at all",
    fallback: 60,
    min: 0,
    env: ["HB_LOG_EVERY_SEC"],
  }),
};

const status = {
  startGraceSec: seconds({
    about: "How long a started runner may take to its first heartbeat",
    fallback: 30,
    min: 0,
    env: ["START_GRACE_SEC", "RUNBEAT_START_GRACE_SEC"],
  }),
  maxLagSec: seconds({
    about: "How long the projector may lag behind the streams before statuses are unknown",
    fallback: 10,
    min: 0.1,
    env: ["STATUS_MAX_LAG_SEC", "RUNBEAT_STATUS_MAX_LAG_SEC"],
  }),
};

const verify = {
  everySec: seconds({
    about: "How often a few runners' rows are folded again and compared, at low priority; 0: never",
    fallback: 60,
    min: 0,
  }),
};

const rebuild = {
  auto: flag({
    about: "Whether rows of another version of a fold are rebuilt in the background",
    fallback: true,
  }),
};

const restart = {
  enabled: flag({
    about: "Whether runners are restarted at all",
    fallback: true,
    env: ["SUPERVISOR_ENABLED"],
  }),
  checkEverySec: seconds({
    about: "How often the enforcer compares what should run with what runs",
    fallback: 15,
    min: 0.1,
    env: ["ENFORCER_INTERVAL_SECONDS", "SUPERVISOR_CHECK_INTERVAL_SECS"],
  }),
  lockFile: orNone(
    text({
      about: "Lock that lets one enforcer run on a host",
      fallback: "",
      env: ["ENFORCER_LOCK_FILE"],
    }),
    "<data_dir>/enforcer.lock",
  ),
  missThreshold: wholeNumber({
    about: "Missed checks in a row before a silent runner is restarted",
    fallback: 3,
    min: 1,
    env: ["HEARTBEAT_MISS_THRESHOLD"],
  }),
  maxAttempts: wholeNumber({
    about: "Restarts in a row before the cooldown; 0 alerts only",
    fallback: 3,
    min: 0,
    env: ["MAX_RESTART_ATTEMPTS"],
  }),
  backoffSec: secondsList({
    about: "Seconds to wait before each restart; the last one repeats",
    fallback: [5, 15, 45],
    max: 100,
    env: ["RESTART_BACKOFF_SECS"],
  }),
  cooldownSec: seconds({
    about: "Pause after the last restart in a row, then the count starts again",
    fallback: 600,
    min: 0,
    env: ["RESTART_COOLDOWN_SECS"],
  }),
  stableSec: seconds({
    about: "A run of this length makes up for the failures before it",
    fallback: 300,
    min: 0,
  }),
  outageGraceSec: seconds({
    about: "For so long after NATS was away, nothing is restarted for missed checks",
    fallback: 60,
    min: 0,
  }),
  hushPercent: wholeNumber({
    about: "Runners that fall silent at once, in percent of those that beat, that are one trouble",
    fallback: 50,
    min: 1,
    max: 100,
  }),
  hushMin: wholeNumber({
    about: "And at least so many: then none of them is restarted for it",
    fallback: 3,
    min: 2,
  }),
};

const heartbeatsStream = stream("heartbeats", DAY_SEC);

const streams = {
  heartbeats: {
    ...heartbeatsStream,
    maxBytes: { ...heartbeatsStream.maxBytes, fallbackText: "8 GiB or a quarter of the free disk" },
  },
  snapshots: stream("snapshots", 30 * DAY_SEC),
  events: stream("events", 90 * DAY_SEC),
  alerts: stream("alerts", 90 * DAY_SEC),
  quarantine: {
    ...stream("rejected messages", 7 * DAY_SEC),
    maxMessages: withDefault(messages("rejected messages"), 100_000),
  },
};

export const SETTING_TREE = {
  dataDir: text({
    about: "Folder for the database, the embedded server's store, logs and caches",
    fallback: ".runbeat",
  }),
  cacheDir: orNone(
    text({ about: "Folder for programs that were fetched", fallback: "" }),
    ".cache in the project, or <data_dir>/cache",
  ),
  databaseUrl: orNone(
    text({
      about: "The SQLite file of the read models: a path, sqlite:PATH or file:PATH",
      fallback: "",
    }),
    "<data_dir>/runbeat.db",
  ),
  fleet: orNone(text({ about: "The fleet file", fallback: "" }), "the demo fleet"),
  projections: textList({
    about: "Modules with read models of your own; paths in a file count from its folder",
    fallback: [],
  }),
  logLevel: choice({ about: "What is logged", fallback: "info", of: LOG_LEVELS }),
  nats,
  http,
  ingest,
  heartbeat,
  status,
  verify,
  rebuild,
  restart,
  sentinel,
  alerts,
  resources,
  checks,
  streams,
  marks: {
    maxBytes: bytes({
      about: "Most disk for marks, from which past states are told quickly; 0 keeps none",
      fallback: 4_294_967_296,
      min: 0,
    }),
  },
  docker: {
    host: text({
      about: "Where the Docker Engine API is: unix:///path or tcp://host:port",
      fallback: "unix:///var/run/docker.sock",
      env: ["DOCKER_HOST"],
    }),
  },
  ffmpeg: {
    bin: orNone(
      text({ about: "The FFmpeg program", fallback: "", env: ["FFMPEG_BIN"] }),
      "ffmpeg-static, then ffmpeg on the path",
    ),
  },
};

type ValuesOf<Node> =
  Node extends Setting<infer T> ? T : { readonly [Key in keyof Node]: ValuesOf<Node[Key]> };

/** The validated configuration. Durations are in seconds, sizes in bytes. */
export type Settings = ValuesOf<typeof SETTING_TREE>;

export type { Setting } from "./setting-kinds.ts";
