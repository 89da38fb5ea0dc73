/** What FFmpeg prints, and what it means to the person who has to mend it. */
import type { CameraFault, Retry } from "../core/camera-session.ts";
import type { ChildEnd } from "../core/child-group.ts";

/**
 * `failure`: ends a session. `warning`: the picture suffers. `count`: harmless by itself, and only
 * its number is kept.
 */
type Weight = "failure" | "warning" | "count";

export interface FaultRow {
  readonly name: string;
  /** All of them must be found in the tail. */
  readonly patterns: readonly RegExp[];
  readonly cause: string;
  readonly message: string;
  readonly advice: string;
  readonly retry: Retry;
  readonly weight: Weight;
}

function row(
  name: string,
  patterns: RegExp | readonly RegExp[],
  retry: Retry,
  cause: string,
  message: string,
  advice: string,
  weight: Weight = "failure",
): FaultRow {
  const list = patterns instanceof RegExp ? [patterns] : patterns;
  return { name, patterns: list, cause, message, advice, retry, weight };
}

/** The first row that matches wins, so what ends a session stands before what only disturbs it. */
export const FAULT_TABLE: readonly FaultRow[] = [
  row(
    "unauthorized",
    /401 Unauthorized/i,
    "slowly",
    "wrong or unencoded password",
    "Camera rejected the username or password",
    "Check both; in the URL write special characters as %40 for @, %2F for / and %3A for :",
  ),
  row(
    "forbidden",
    /403 Forbidden/i,
    "slowly",
    "no rights, IP filter",
    "Account may not view this stream",
    "Give the account viewing rights and look for an address filter on the camera",
  ),
  row(
    "not_found",
    /404 Not Found/i,
    "slowly",
    "wrong path",
    "Stream path does not exist on the camera",
    "Check the part of the URL after the host",
  ),
  row(
    "bad_request",
    /400 Bad Request/i,
    "no",
    "malformed URL",
    "Camera refused the request",
    "Check the whole URL",
  ),
  row(
    "too_many_viewers",
    /453 Not Enough Bandwidth/i,
    "yes",
    "session limit",
    "Camera has too many viewers",
    "Close other viewers or use another stream of the camera",
  ),
  row(
    "wrong_transport",
    [/461 Unsupported transport/i, /Protocol not supported/i],
    "after_change",
    "TCP/UDP mismatch",
    "Switch the RTSP transport",
    "Set transport to udp where it is tcp, and to tcp where it is udp",
  ),
  row(
    "overloaded",
    /5XX Server Error|\b503\b/i,
    "yes",
    "overloaded recorder",
    "Camera or recorder is overloaded",
    "Lower its load or the number of streams",
  ),
  row(
    "refused",
    /Connection refused/i,
    "yes",
    "rebooting, wrong port",
    "Nothing answers on the RTSP port",
    "Check the port, and whether the camera is starting up",
  ),
  row(
    "timed_out",
    /Connection timed out/i,
    "yes",
    "host off, firewall",
    "Camera did not answer",
    "Check that it is powered and that no firewall is between",
  ),
  row(
    "no_route",
    /No route to host/i,
    "yes",
    "powered off, VLAN",
    "Camera is unreachable",
    "Check its power, its cable and the VLAN",
  ),
  row(
    "no_network",
    /Network is unreachable/i,
    "yes",
    "own network down",
    "This host has no network",
    "Check this host's own network",
  ),
  row(
    "unknown_host",
    /Failed to resolve hostname/i,
    "yes",
    "DNS, typo",
    "Camera name not found",
    "Check the spelling of the name, or write its address",
  ),
  row(
    "tls_failed",
    /Error in the pull function/i,
    "no",
    "rtsps on a plain port",
    "Encrypted connection failed",
    "Use rtsp:// or the camera's port for rtsps://",
  ),
  row(
    "gpu_unavailable",
    /No VA display found|cuInit\(0\) failed|Cannot load libcuda|Device setup failed for decoder|Unrecognized hwaccel/i,
    "on_cpu",
    "GPU not visible",
    "GPU decoding is unavailable",
    "Decoding falls back to the CPU",
  ),
  row(
    "gpu_full",
    /OpenEncodeSessionEx failed|No decoder surfaces left/i,
    "yes",
    "GPU sessions used up",
    "GPU is at capacity",
    "Move some cameras to the CPU or another GPU",
  ),
  row(
    "unknown_option",
    /Unrecognized option|Option .*not found/i,
    "no",
    "option of another version",
    "FFmpeg does not know this option",
    "Use another version of FFmpeg",
  ),
  row(
    "missing_codec",
    /Unknown decoder|Unknown encoder/i,
    "no",
    "build lacks the codec",
    "This FFmpeg build lacks the codec",
    "Use a full build of FFmpeg",
  ),
  row(
    "cut_off",
    /moov atom not found/i,
    "no",
    "truncated file",
    "Recording was cut off",
    "The file can't be played; use another one",
  ),
  row(
    "disk_full",
    /No space left on device/i,
    "after_host",
    "disk full",
    "Disk is full",
    "Make room on this host",
  ),
  row(
    "no_picture",
    /Could not find codec parameters.*unspecified size/i,
    "yes",
    "no key frame",
    "Connected, but no video arrived",
    "Shorten the camera's key frame interval or turn low latency off",
  ),
  row(
    "no_video",
    /does not contain any stream/i,
    "no",
    "no video track",
    "No usable video in this stream",
    "Choose a stream of the camera that has video",
  ),
  row(
    "no_stream",
    /Invalid data found/i,
    "yes",
    "not an RTSP server, or mute",
    "The port answers, but not with a stream",
    "Check host and port",
  ),
  row(
    "stopped_twice",
    /Immediate exit requested/i,
    "none",
    "second signal",
    "Stopped on request",
    "Nothing need be done",
  ),
  row(
    "packet_loss",
    /RTP: missed \d+ packets|max delay reached/i,
    "yes",
    "UDP loss",
    "Packets are being lost; use TCP",
    "Set transport to tcp",
    "warning",
  ),
  row(
    "slow_host",
    /Thread message queue blocking/i,
    "yes",
    "host too slow",
    "This host can't keep up",
    "Give it fewer or smaller streams",
    "warning",
  ),
  row(
    "irregular_time",
    /Non-monoton(?:ous|ic) DTS/i,
    "yes",
    "camera clock",
    "Timestamps are irregular",
    "Let the camera take its time from a time server",
    "count",
  ),
  row(
    "out_of_step",
    /CSeq \d+ expected/i,
    "yes",
    "camera bug",
    "RTSP replies out of step",
    "Look for newer firmware; the picture does not suffer from it",
    "count",
  ),
  row(
    "damaged_frames",
    /non-existing PPS|error while decoding MB/i,
    "yes",
    "joined mid-picture, loss",
    "Damaged frames",
    "Where it goes on, set transport to tcp and look at the network",
    "count",
  ),
];

/** The row for what the tail says; undefined where it says nothing known. */
export function matchFault(tail: readonly string[], weights?: Weight): FaultRow | undefined {
  const text = tail.join("\n");
  return FAULT_TABLE.find(
    (fault) =>
      (weights === undefined || fault.weight === weights) &&
      fault.patterns.every((pattern) => pattern.test(text)),
  );
}

/** Explains the end of a live input: even exit code 0 is a failure, for a camera has no end. */
export function explainEnd(end: ChildEnd, tail: readonly string[]): CameraFault {
  const found = matchFault(tail, "failure") ?? matchFault(tail, "warning");
  if (found !== undefined && found.retry !== "none") return faultOf(found, tail);
  return { ...unexplained(end, tail), tail };
}

/** The picture stands although FFmpeg lives. */
export function stallFault(seconds: number, wasStreaming: boolean, tail: readonly string[]) {
  const known = matchFault(tail, "failure");
  const explained = known === undefined || known.retry === "none" ? undefined : known;
  const message = wasStreaming
    ? `No new picture for ${seconds} s`
    : `No picture within ${seconds} s of connecting`;
  return {
    name: "stalled",
    cause: "the stream stands still",
    message,
    advice: explained?.message ?? "Check the camera and the network to it",
    retry: "yes",
    tail,
  } satisfies CameraFault;
}

function faultOf(fault: FaultRow, tail: readonly string[]): CameraFault {
  const { name, cause, message, advice, retry } = fault;
  return { name, cause, message, advice, retry, tail };
}

function unexplained(end: ChildEnd, tail: readonly string[]): Omit<CameraFault, "tail"> {
  // Lines without a level are not of FFmpeg's own log: the loader's, or a crash.
  const last = tail.findLast((line) => !/\[(warning|info|verbose|debug|trace)\]/.test(line));
  const said = last === undefined ? "" : `It said: ${last}`;
  const base = { retry: "yes", advice: said } as const;
  if (end.signal !== null) {
    const message = `FFmpeg was ended by ${end.signal}`;
    return { ...base, name: "killed", cause: "a signal or a crash", message };
  }
  if (end.code === 0) {
    return { ...base, name: "ended", cause: "the input ended", message: "The stream ended" };
  }
  const message = `FFmpeg ended with exit code ${end.code ?? "unknown"}`;
  return { ...base, name: "failed", cause: "unknown", message };
}
