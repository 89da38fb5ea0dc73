/**
 * Every setting of Runbeat, each with its default, bounds, names and one line of explanation. A key
 * is written `heartbeat.online_sec` in the file and `settings.heartbeat.onlineSec` in the code; the
 * environment has the name given here, or `RUNBEAT_` and the key in capitals.
 */
import { z } from "zod";
import { RUNNER_KINDS } from "../lib/core/runner-id.ts";
import {
  bytes,
  choice,
  decimal,
  flag,
  items,
  orNone,
  seconds,
  secondsList,
  text,
  wholeNumber,
} from "./setting-kinds.ts";
import type { Setting } from "./setting-kinds.ts";

const GIB = 2 ** 30;
const DAY_SEC = 86_400;
const PREFIX = /^[A-Za-z0-9_-]{1,64}$/;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const INGEST_SCOPES = ["heartbeat", "register"] as const;

const ingestKey = z.strictObject({
  id: z.string().regex(PREFIX),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  scopes: z
    .array(z.enum(INGEST_SCOPES))
    .min(1)
    .default([...INGEST_SCOPES]),
  runners: z.array(z.string().min(1)).min(1).default(["*"]),
});

/** One more ingest key: only its SHA-256 is kept, and it may be good for some runners only. */
export type IngestKey = z.infer<typeof ingestKey>;

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

const nats = {
  url: orNone(
    text({
      about: "NATS server or servers, separated by commas; without it `runbeat up` brings its own",
      fallback: "",
      env: ["NATS_URL"],
    }),
    "none: embedded server",
  ),
  port: wholeNumber({
    about: "Port of the embedded server on 127.0.0.1; 0 takes any free one",
    fallback: 4222,
    min: 0,
    max: 65_535,
  }),
  serverBin: orNone(
    text({
      about: "The nats-server program for the embedded server",
      fallback: "",
      env: ["RUNBEAT_NATS_SERVER"],
    }),
    "found on the path, in the cache, or fetched",
  ),
  creds: orNone(
    text({
      about: "Credentials file for NATS",
      fallback: "",
      env: ["RUNBEAT_NATS_CREDS", "NATS_CREDS"],
    }),
    "none",
  ),
  token: orNone(
    text({
      about: "Token for NATS",
      fallback: "",
      env: ["RUNBEAT_NATS_TOKEN", "NATS_TOKEN"],
      secret: true,
    }),
    "none",
  ),
  user: orNone(
    text({ about: "User for NATS", fallback: "", env: ["RUNBEAT_NATS_USER", "NATS_USER"] }),
    "none",
  ),
  password: orNone(
    text({
      about: "Password for NATS",
      fallback: "",
      env: ["RUNBEAT_NATS_PASSWORD", "NATS_PASSWORD"],
      secret: true,
    }),
    "none",
  ),
  tlsCa: orNone(
    text({
      about: "File with the certificate authority that signed the NATS server's certificate",
      fallback: "",
      env: ["RUNBEAT_NATS_TLS_CA", "NATS_CA"],
    }),
    "the system's",
  ),
  tlsCert: orNone(
    text({
      about: "File with our own certificate for NATS; needs tls_key",
      fallback: "",
      env: ["RUNBEAT_NATS_TLS_CERT", "NATS_CERT"],
    }),
    "none",
  ),
  tlsKey: orNone(
    text({
      about: "File with the key of tls_cert",
      fallback: "",
      env: ["RUNBEAT_NATS_TLS_KEY", "NATS_KEY"],
    }),
    "none",
  ),
  tlsFirst: flag({
    about: "Whether the NATS server expects TLS before its greeting",
    fallback: false,
  }),
  replicas: wholeNumber({
    about: "Copies of every stream; 3 on a cluster",
    fallback: 1,
    min: 1,
    max: 5,
  }),
  subjectPrefix: text({
    about: "First word of every subject, so that two installations can share one NATS",
    fallback: "runbeat",
    env: ["RUNBEAT_SUBJECT_PREFIX"],
    pattern: PREFIX,
    allowed: "1-64 characters A-Z a-z 0-9 _ -",
  }),
  streamPrefix: text({
    about: "What the names of the streams begin with",
    fallback: "RUNBEAT",
    env: ["RUNBEAT_STREAM_PREFIX"],
    pattern: PREFIX,
    allowed: "1-64 characters A-Z a-z 0-9 _ -",
  }),
};

const http = {
  host: text({
    about: "Address that the API listens on; any but loopback needs a read key",
    fallback: "127.0.0.1",
  }),
  port: wholeNumber({
    about: "Port of the API; 0 takes any free one",
    fallback: 8080,
    min: 0,
    max: 65_535,
  }),
  readKey: orNone(
    text({
      about: "Bearer key that reading the API needs",
      fallback: "",
      env: ["RUNBEAT_READ_KEY"],
      secret: true,
    }),
    "none: open on loopback",
  ),
  operateKey: orNone(
    text({
      about: "Bearer key that orders over the API need",
      fallback: "",
      env: ["RUNBEAT_OPERATE_KEY"],
      secret: true,
    }),
    "none",
  ),
};

const ingest = {
  heartbeatKey: orNone(
    text({
      about: "Key for heartbeats over HTTP, as X-BISK-KEY or bearer token",
      fallback: "",
      env: ["RUNNER_HEARTBEAT_KEY"],
      secret: true,
    }),
    "generated once, in <data_dir>/heartbeat.key",
  ),
  heartbeatUrl: orNone(
    text({
      about: "Where runners without NATS post their heartbeats",
      fallback: "",
      env: ["RUNNER_HEARTBEAT_URL"],
      pattern: /^https?:\/\//,
      allowed: "an http:// or https:// address",
    }),
    "the API's own",
  ),
  ratePerSec: decimal({
    about: "Heartbeats per second that one ingest key may post; more get 429",
    fallback: 5_000,
    min: 0.01,
  }),
  rateBurst: wholeNumber({
    about: "Heartbeats that one ingest key may post at once",
    fallback: 10_000,
    min: 1,
  }),
  maxBodyBytes: bytes({
    about: "Longest request body; more gets 413",
    fallback: 20 * 2 ** 20,
    min: 1_024,
    max: GIB,
  }),
  keys: items<IngestKey>({
    about: "More ingest keys: id, sha256 of the key, scopes, patterns of runners",
    fallback: [],
    fallbackText: "none",
    item: ingestKey,
    allowed:
      "a list of {id, sha256: 64 hex digits, scopes: [heartbeat, register], " +
      `runners: [patterns such as ${RUNNER_KINDS[0]}/*/hd]}`,
    secret: true,
  }),
};

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
  logLevel: choice({ about: "What is logged", fallback: "info", of: LOG_LEVELS }),
  nats,
  http,
  ingest,
  heartbeat,
  status,
  restart,
  streams,
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
