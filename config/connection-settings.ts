/** Settings of what Runbeat talks to and listens on: NATS, the API, heartbeats over HTTP. */
import { z } from "zod";
import { RUNNER_KINDS } from "../lib/core/runner-id.ts";
import { bytes, decimal, flag, items, orNone, text, wholeNumber } from "./setting-kinds.ts";

const GIB = 2 ** 30;
const PREFIX = /^[A-Za-z0-9_-]{1,64}$/;

const INGEST_SCOPES = ["heartbeat", "register"] as const;

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
type IngestKey = z.infer<typeof ingestKey>;

export const nats = {
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
  releases: orNone(
    text({
      about: "Where releases of nats-server are fetched from, for a mirror of the official ones",
      fallback: "",
      env: ["RUNBEAT_NATS_RELEASES"],
    }),
    "the official releases",
  ),
  creds: orNone(
    text({
      about: "Credentials file for NATS",
      fallback: "",
      env: ["RUNBEAT_NATS_CREDS", "NATS_CREDS"],
    }),
    "none",
  ),
  nkey: orNone(
    text({
      about: "File with the seed of an nkey for NATS",
      fallback: "",
      env: ["RUNBEAT_NATS_NKEY", "NATS_NKEY"],
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

export const http = {
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

export const ingest = {
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
