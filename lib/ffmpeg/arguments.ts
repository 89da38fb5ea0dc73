/** The argument list for one FFmpeg, by its version. */
import type { Backend, FrameFormat } from "../core/camera-session.ts";
import { AppError } from "../core/errors.ts";
import type { CameraOutputSpec } from "../core/fleet.ts";
import { COPY_INPUT, copyOutput } from "./copy-output.ts";
import { isSecretUrl } from "./url-secrets.ts";

/** Descriptors beyond stdin, stdout and stderr. */
export const PROGRESS_FD = 3;
export const FRAMES_FD = 4;
export const INPUT_LIST_FD = 5;

/** FFmpeg 5.0 is libavformat 59: renamed RTSP options, options in ffconcat lists. */
const LIBAVFORMAT_5 = 59;
/** FFmpeg 6.0 is libavformat 60: `-fps_mode` in place of `-vsync`. */
const LIBAVFORMAT_6 = 60;

export const TRANSPORTS = ["tcp", "udp", "udp_multicast", "http"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** One camera's input as the fleet file has it. */
export interface CameraInput {
  readonly url: string;
  /** FFmpeg's name of a format, e.g. `lavfi` or `v4l2`; FFmpeg finds it out unless given. */
  readonly inputFormat?: string;
  /** For rtsp and rtsps; tcp unless given. */
  readonly transport?: Transport;
  readonly lowLatency: boolean;
  /** No new frame for so long is a stall, seconds. */
  readonly stallSec: number;
}

export interface FfmpegArguments {
  readonly args: readonly string[];
  /** To be written to descriptor 5 where the URL holds a password; else null. */
  readonly inputList: string | null;
}

/** Logging that parses well; no `-nostdin`, with which 7.0 ignores a signal. */
const LOGGING = ["-hide_banner", "-nostats", "-loglevel", "repeat+level+warning"];

/** @throws AppError `invalid` for a URL that can't be handed over. */
export function ffmpegArguments(
  input: CameraInput,
  libavformatMajor: number,
  wanted: {
    /** Null: none are needed, only counted. */
    readonly frames: FrameFormat | null;
    readonly backend?: Backend;
    /** Then nothing is decoded. */
    readonly output?: CameraOutputSpec;
  },
): FfmpegArguments {
  const { frames, backend = "cpu", output } = wanted;
  if (/[\0\r\n]/.test(input.url)) {
    throw new AppError("invalid", "The camera's url has a line break in it: take it out");
  }
  const hidden = isSecret(input, libavformatMajor);
  const source = hidden ? listedInput(input) : plainInput(input, libavformatMajor);
  return {
    args: [
      ...LOGGING,
      "-progress",
      `pipe:${PROGRESS_FD}`,
      // Pictures come back to the host's memory, for the outputs are made there.
      ...(backend === "cpu" ? [] : ["-hwaccel", backend]),
      ...(output === undefined ? [] : COPY_INPUT),
      ...source,
      ...(output === undefined ? outputs(frames, libavformatMajor) : copyOutput(output)),
    ],
    inputList: hidden ? inputList(input, libavformatMajor) : null,
  };
}

/**
 * Whether the URL must stay out of the argument list, which anybody on this host may read. A list
 * can't name a format, nor, before FFmpeg 5, every transport: there what is asked for wins.
 */
function isSecret({ url, inputFormat, transport }: CameraInput, libavformatMajor: number): boolean {
  const isListable = libavformatMajor >= LIBAVFORMAT_5 || transport !== "http";
  return isListable && inputFormat === undefined && isSecretUrl(url);
}

type Option = readonly [name: string, value: string];

function plainInput(input: CameraInput, libavformatMajor: number): string[] {
  const options = demuxerOptions(input, libavformatMajor);
  return [
    ...(needsPacing(input) ? ["-re"] : []),
    ...(input.lowLatency ? ["-flags", "low_delay"] : []),
    ...options.flatMap(([name, value]) => [`-${name}`, value]),
    ...(input.inputFormat === undefined ? [] : ["-f", input.inputFormat]),
    "-i",
    input.url,
  ];
}

/** The URL comes over a pipe as the one entry of an ffconcat list, so that `ps` does not show it. */
function listedInput(input: CameraInput): string[] {
  return [
    ...(needsPacing(input) ? ["-re"] : []),
    ...(input.lowLatency ? ["-flags", "low_delay", "-fflags", "nobuffer"] : []),
    ...LISTED_INPUT,
  ];
}

const LISTED_PROTOCOLS =
  "pipe,file,crypto,data,tcp,udp,rtp,srtp,rtsp,tls,http,https,httpproxy,hls,rtmp,rtmps,rtmpt,srt,ftp,sctp";

const LISTED_INPUT = [
  ["-f", "concat"],
  ["-safe", "0"],
  ["-protocol_whitelist", LISTED_PROTOCOLS],
  ["-i", `pipe:${INPUT_LIST_FD}`],
].flat();

/** The list's text: https://ffmpeg.org/ffmpeg-formats.html, concat. */
function inputList(input: CameraInput, libavformatMajor: number): string {
  const isOld = libavformatMajor < LIBAVFORMAT_5;
  const url = isOld ? urlWithTransport(input) : input.url;
  const quoted = `'${url.replaceAll("'", `'\\''`)}'`;
  const options = isOld ? [] : demuxerOptions(input, libavformatMajor);
  const lines = options.map(([name, value]) => `option ${name} ${value}`);
  return ["ffconcat version 1.0", `file ${quoted}`, ...lines, ""].join("\n");
}

/** FFmpeg's RTSP takes its transport from the URL's query as well, and takes it out again. */
function urlWithTransport({ url, transport = "tcp" }: CameraInput): string {
  if (!/^rtsps?:/i.test(url)) return url;
  const word = transport === "udp_multicast" ? "multicast" : transport;
  return `${url}${url.includes("?") ? "&" : "?"}${word}`;
}

function demuxerOptions(input: CameraInput, libavformatMajor: number): Option[] {
  const options: Option[] = input.lowLatency
    ? [
        ["fflags", "nobuffer"],
        ["probesize", "32"],
        ["analyzeduration", "0"],
      ]
    : [];
  // FFmpeg takes up to twice its time-out to give up; our own stall watch stands behind it.
  const timeoutUs = String(Math.max(1, Math.round(input.stallSec / 2)) * 1_000_000);
  if (/^rtsps?:/i.test(input.url)) {
    options.push(["rtsp_transport", input.transport ?? "tcp"]);
    // On 4.x -timeout makes FFmpeg listen; later there is no -stimeout.
    options.push([libavformatMajor >= LIBAVFORMAT_5 ? "timeout" : "stimeout", timeoutUs]);
  } else if (/^(https?|rtmps?|tcp):/i.test(input.url)) options.push(["rw_timeout", timeoutUs]);
  return options;
}

/** Made-up pictures and files come as fast as they can be read unless held back. */
function needsPacing(input: CameraInput): boolean {
  if (input.inputFormat !== undefined) return input.inputFormat === "lavfi";
  return !/^[a-z][a-z0-9+.-]*:/i.test(input.url) || /^file:/i.test(input.url);
}

/**
 * The first output takes every frame and keeps none: its counter is the source's frame rate. The
 * second hands pictures to the analyser, as few and as small as it wants them.
 */
function outputs(frames: FrameFormat | null, libavformatMajor: number): string[] {
  const asTheyCome =
    libavformatMajor >= LIBAVFORMAT_6 ? ["-fps_mode", "passthrough"] : ["-vsync", "passthrough"];
  const video = ["-map", "0:v:0", "-an", "-sn", "-dn", ...asTheyCome];
  const counted = [...video, "-f", "null", "-"];
  if (frames === null) return counted;
  const pictures = ["-vf", pictureFilter(frames), "-f", "rawvideo", `pipe:${FRAMES_FD}`];
  return [...counted, ...video, ...pictures];
}

/** Drops frames before it scales them. Time may jump back with a camera's clock. */
function pictureFilter({ width, height, pixels, maxFps }: FrameFormat): string {
  const gap = (0.9 / maxFps).toFixed(4);
  const picked = `isnan(prev_selected_t)+gte(t-prev_selected_t,${gap})+lt(t,prev_selected_t)`;
  return `select='${picked}',scale=${width}:${height}:flags=fast_bilinear,format=${pixels}`;
}
