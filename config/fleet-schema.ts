/** What a fleet file may hold. Every refusal says what is allowed. */
import { z } from "zod";
import { redact } from "../lib/core/redact.ts";
import { isToken, tryParseRunnerId } from "../lib/core/runner-id.ts";
import { HARDWARE } from "../lib/core/fleet.ts";
import { MAX_LABEL_CHARS } from "../lib/core/heartbeat.ts";

/** The analysers that come with Runbeat. */
const ANALYSERS: readonly string[] = ["none", "motion"];
const PIXELS = ["gray", "rgb24"] as const;
const TRANSPORTS = ["tcp", "udp", "udp_multicast", "http"] as const;
const MAX_SECONDS = 31_536_000;

function must(text: string): { error: string } {
  return { error: `must be ${text}` };
}

function seconds(min: number) {
  const error = must(`a number of seconds from ${min} to ${MAX_SECONDS}`);
  return z.number(error).min(min, error).max(MAX_SECONDS, error);
}

function whole(min: number, what: string) {
  const error = must(`a whole number of at least ${min}${what}`);
  return z.number(error).int(error).min(min, error);
}

function above0(what: string) {
  const error = must(`a number above 0${what}`);
  return z.number(error).gt(0, error);
}

const percentError = must("a percentage above 0, 100 at most");
const percent = z.number(percentError).gt(0, percentError).max(100, percentError);

function text(what: string) {
  const error = must(what);
  return z.string(error).min(1, error);
}

function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, must(`one of ${values.join(", ")}`));
}

const flag = z.boolean(must("true or false"));

const pattern = text("a pattern of runners such as camera/*/hd").refine(isPattern, {
  error: "must be a pattern of runners such as camera/*/hd: 1 to 3 parts of A-Z a-z 0-9 _ - and *",
});

function isPattern(value: string): boolean {
  const parts = value.split("/");
  return parts.length <= 3 && parts.every((part) => isToken(part.replaceAll("*", "x")));
}

const argv = z
  .array(z.string(must("text")), must("a list of texts: the program and its arguments"))
  .min(1, must("a list of at least the program"))
  .refine((list) => list[0] !== "", must("a list that begins with the program"));

/** Numbers and truth values are taken as they are written: YAML has no quotes for them. */
const variable = z
  .union([z.string(), z.number(), z.boolean()], must("text, a number or true or false"))
  .transform(String);

const analyserText = "one of none, motion, the path of a module such as ./mine.mjs, or a command";

function side(most: number) {
  const error = must(`a whole number from 2 to ${most}`);
  return z.number(error).int(error).min(2, error).max(most, error);
}

const fpsError = must("a number of pictures a second above 0, 240 at most");

const analyser = z.union(
  [
    z.string().refine((name) => ANALYSERS.includes(name) || isModulePath(name), must(analyserText)),
    z.strictObject({
      command: argv,
      width: side(4096).default(320),
      height: side(4096).default(180),
      pixels: choice(PIXELS).default("rgb24"),
      fps: z.number(fpsError).gt(0, fpsError).max(240, fpsError).default(5),
    }),
  ],
  must(analyserText),
);

/** A name without a slash could be a misspelt one of ours. */
function isModulePath(name: string): boolean {
  return name.includes("/") && /\.[cm]?js$/.test(name);
}

const picture = z.strictObject({
  black_sec: seconds(0).optional(),
  frozen_sec: seconds(0).optional(),
});

const reconnect = z.strictObject({
  backoff_sec: z
    .array(seconds(0.1), must("a list of seconds, e.g. [1, 2, 4, 8]"))
    .min(1, must("a list of at least one number of seconds"))
    .optional(),
  degraded_after: whole(1, "").optional(),
  good_sec: seconds(0).optional(),
  slow_sec: seconds(0).optional(),
});

const throttle = z.strictObject({
  max_fps: above0(" (pictures a second)").optional(),
  max_memory_percent: percent.optional(),
  max_queue_size: whole(1, "").optional(),
});

/** FFmpeg takes it in its arguments only, which anybody on the host can read. */
const RESTREAM = "an rtsp, rtmp, srt, udp or tcp address without a login";

function isSecretUrl(url: string): boolean {
  return url.includes("@") || redact(url) !== url;
}

const camera = z.strictObject({
  url: text("the address of the stream, e.g. rtsp://user:password@10.0.0.7/stream1"),
  input_format: text("FFmpeg's name of a format, e.g. lavfi").optional(),
  transport: choice(TRANSPORTS).optional(),
  analyse: analyser.default("none"),
  low_latency: flag.default(false),
  stall_sec: seconds(0.5).default(10),
  max_failures: whole(0, "; 0 tries for ever").default(10),
  hwaccel: choice(HARDWARE).default("none"),
  picture: picture.optional(),
  reconnect: reconnect.optional(),
  throttle: throttle.optional(),
  host: flag.optional(),
  record: z
    .strictObject({
      folder: text("a folder"),
      segment_sec: seconds(1).default(300),
      keep_hours: above0(" of hours").optional(),
    })
    .optional(),
  restream: text(RESTREAM)
    .refine(
      (url) => /^(rtsps?|rtmps?|srt|udp|tcp):/i.test(url) && !isSecretUrl(url),
      must(RESTREAM),
    )
    .optional(),
});

const restart = z.strictObject({
  backoff_sec: z
    .array(seconds(0), must("a list of seconds, e.g. [5, 15, 45]"))
    .min(1, must("a list of at least one number of seconds"))
    .optional(),
  max_attempts: whole(0, "; 0 restarts nothing").optional(),
  cooldown_sec: seconds(0).optional(),
  stable_sec: seconds(0).optional(),
});

const thresholds = z.strictObject({
  online_sec: seconds(0.1).optional(),
  stale_sec: seconds(0.1).optional(),
  offline_sec: seconds(0.1).optional(),
  start_grace_sec: seconds(0).optional(),
});

const limits = z.strictObject({
  memory_mb: above0(" (MiB)").optional(),
  cpu_percent: above0(" (of one core)").optional(),
  vram_mb: above0(" (MiB)").optional(),
  for_sec: seconds(0).default(30),
});

const probe = z
  .strictObject({
    http: z.url({ protocol: /^https?$/, error: "must be an http or https address" }).optional(),
    command: argv.optional(),
    every_sec: seconds(0.1).default(10),
    timeout_sec: seconds(0.1).default(5),
  })
  .refine((value) => (value.http === undefined) !== (value.command === undefined), {
    error: "must have either http or command",
  });

const label = z
  .string(must("text"))
  .max(MAX_LABEL_CHARS, must(`text of at most ${MAX_LABEL_CHARS} characters`));

export const DRIVER_KEYS = ["camera", "command", "docker", "systemd", "external"] as const;

/** Keys that say something about a command and about nothing else. */
const COMMAND_KEYS = ["cwd", "env", "beats", "probe"] as const;

const entry = z
  .strictObject(
    {
      camera: camera.optional(),
      command: argv.optional(),
      docker: z.strictObject({ container: text("the container's name or id") }).optional(),
      systemd: z
        .strictObject({ unit: text("the unit's name, e.g. postgresql.service") })
        .optional(),
      external: z.literal(true, must("true, or left out")).optional(),
      cwd: text("a folder").optional(),
      env: z.record(z.string(), variable, must("a mapping of names to values")).optional(),
      beats: z.literal("self", must("self, or left out")).optional(),
      probe: probe.optional(),
      limits: limits.optional(),
      restart: restart.optional(),
      interval_sec: seconds(0.1).optional(),
      heartbeat_interval_sec: seconds(0.1).optional(),
      thresholds: thresholds.optional(),
      labels: z.record(z.string(), label, must("a mapping of names to texts")).optional(),
    },
    must("a mapping of keys to values"),
  )
  .check((context) => {
    for (const fault of entryFaults(context.value)) {
      context.issues.push({ code: "custom", input: context.value, ...fault });
    }
  });

interface Fault {
  readonly message: string;
  readonly path: string[];
}

function entryFaults(value: Record<string, unknown>): Fault[] {
  const has = (key: string) => value[key] !== undefined;
  const drivers = DRIVER_KEYS.filter(has);
  const faults: Fault[] = [];
  if (drivers.length !== 1) {
    faults.push({ path: [], message: `must have exactly one of ${DRIVER_KEYS.join(", ")}` });
  }
  for (const key of COMMAND_KEYS) {
    if (has(key) && !has("command"))
      faults.push({ path: [key], message: "must go with a command" });
  }
  if (has("beats") && has("probe")) {
    faults.push({ path: ["probe"], message: "must be left out where the command beats by itself" });
  }
  if (has("interval_sec") && has("heartbeat_interval_sec")) {
    faults.push({ path: ["interval_sec"], message: "must be given under one name only" });
  }
  return faults;
}

const runnerName = z.string().refine((name) => tryParseRunnerId(name) !== undefined, {
  error: "must be kind/name/profile, e.g. camera/front-door/hd",
});

export const fleetSchema = z.strictObject({
  restart_allow: z.array(pattern, must("a list of patterns")).optional(),
  restart_deny: z.array(pattern, must("a list of patterns")).default([]),
  defaults: z
    .strictObject({
      heartbeat_interval_sec: seconds(0.1).optional(),
      camera_host: flag.optional(),
      restart: restart.optional(),
      thresholds: thresholds.optional(),
      limits: limits.optional(),
    })
    .default({}),
  runners: z
    .record(runnerName, entry, must("a mapping of runners; {} where there are none"))
    .check((context) => {
      for (const [name, { camera }] of Object.entries(context.value)) {
        if (camera === undefined || name.startsWith("camera/")) continue;
        const message = "must be that of a runner named camera/…";
        context.issues.push({ code: "custom", input: camera, path: [name, "camera"], message });
      }
    }),
});

export type FleetFile = z.output<typeof fleetSchema>;
export type EntryFile = FleetFile["runners"][string];
