import { describe, expect, it } from "vitest";
import { faultText } from "../../lib/core/camera-session.ts";
import { FAULT_TABLE, explainEnd, matchFault, stallFault } from "../../lib/ffmpeg/errors.ts";

const FAILED = { code: 1, signal: null };

/** Lines as FFmpeg 4, 5 and 7 print them. */
const LINES: readonly [line: string, message: string, retry: string][] = [
  [
    "[rtsp @ 0x5] [error] method DESCRIBE failed: 401 Unauthorized",
    "Camera rejected the username or password",
    "slowly",
  ],
  [
    "[rtsp @ 0x5] [error] method DESCRIBE failed: 403 Forbidden",
    "Account may not view this stream",
    "slowly",
  ],
  [
    "[rtsp @ 0x5] [error] method DESCRIBE failed: 404 Not Found",
    "Stream path does not exist on the camera",
    "slowly",
  ],
  [
    "[rtsp @ 0x5] [error] method OPTIONS failed: 400 Bad Request",
    "Camera refused the request",
    "no",
  ],
  [
    "[rtsp @ 0x5] [error] method SETUP failed: 453 Not Enough Bandwidth",
    "Camera has too many viewers",
    "yes",
  ],
  [
    "[rtsp @ 0x5] [error] method SETUP failed: 461 Unsupported transport\n[error] rtsp://cam/a: Protocol not supported",
    "Switch the RTSP transport",
    "after_change",
  ],
  [
    "[error] http://cam/a: Server returned 5XX Server Error reply",
    "Camera or recorder is overloaded",
    "yes",
  ],
  [
    "[rtsp @ 0x5] [error] method DESCRIBE failed: 503 Service Unavailable",
    "Camera or recorder is overloaded",
    "yes",
  ],
  [
    "[tcp @ 0x5] [error] Connection to tcp://127.0.0.1:1?timeout=0 failed: Connection refused",
    "Nothing answers on the RTSP port",
    "yes",
  ],
  ["[error] rtsp://10.0.0.7/a: Connection timed out", "Camera did not answer", "yes"],
  ["[error] rtsp://10.0.0.7/a: No route to host", "Camera is unreachable", "yes"],
  ["[error] rtsp://10.0.0.7/a: Network is unreachable", "This host has no network", "yes"],
  [
    "[tcp @ 0x5] [error] Failed to resolve hostname cam: Name or service not known",
    "Camera name not found",
    "yes",
  ],
  [
    "[error] rtsp://10.0.0.7/a: Invalid data found when processing input",
    "The port answers, but not with a stream",
    "yes",
  ],
  [
    "[rtsp @ 0x5] [warning] Could not find codec parameters for stream 0 (Video: h264, none): unspecified size",
    "Connected, but no video arrived",
    "yes",
  ],
  ["[error] Output file #0 does not contain any stream", "No usable video in this stream", "no"],
  ["[fatal] Unrecognized option 'stimeout'.", "FFmpeg does not know this option", "no"],
  ["[fatal] Option stimeout not found.", "FFmpeg does not know this option", "no"],
  ["[fatal] Unknown decoder 'hevc_cuvid'", "This FFmpeg build lacks the codec", "no"],
  ["[fatal] Unknown encoder 'libx264'", "This FFmpeg build lacks the codec", "no"],
  [
    "[mov,mp4 @ 0x5] [error] moov atom not found\n[error] a.mp4: Invalid data found when processing input",
    "Recording was cut off",
    "no",
  ],
  [
    "[AVHWDeviceContext @ 0x5] [error] No VA display found for device",
    "GPU decoding is unavailable",
    "on_cpu",
  ],
  [
    "[AVHWDeviceContext @ 0x5] [error] cuInit(0) failed -> CUDA_ERROR_NO_DEVICE",
    "GPU decoding is unavailable",
    "on_cpu",
  ],
  [
    "[AVHWDeviceContext @ 0x5] [error] Cannot load libcuda.so.1",
    "GPU decoding is unavailable",
    "on_cpu",
  ],
  [
    "[h264 @ 0x5] [error] No device available for decoder: device type vaapi needed for codec h264.\n[error] Device setup failed for decoder on input stream #0:0 : Generic error in an external library",
    "GPU decoding is unavailable",
    "on_cpu",
  ],
  [
    "[fatal] Unrecognized hwaccel: cuda.\n[fatal] Supported hwaccels: vdpau",
    "GPU decoding is unavailable",
    "on_cpu",
  ],
  [
    "[h264_nvenc @ 0x5] [error] OpenEncodeSessionEx failed: out of memory (10)",
    "GPU is at capacity",
    "yes",
  ],
  ["[h264 @ 0x5] [error] No decoder surfaces left", "GPU is at capacity", "yes"],
  ["[rtsp @ 0x5] [warning] RTP: missed 12 packets", "Packets are being lost; use TCP", "yes"],
  [
    "[rtsp @ 0x5] [warning] max delay reached. need to consume packet",
    "Packets are being lost; use TCP",
    "yes",
  ],
  [
    "[null @ 0x5] [warning] Non-monotonous DTS in output stream 0:0",
    "Timestamps are irregular",
    "yes",
  ],
  [
    "[null @ 0x5] [warning] Non-monotonic DTS; previous: 1, current: 0",
    "Timestamps are irregular",
    "yes",
  ],
  ["[rtsp @ 0x5] [warning] CSeq 5 expected, 0 received.", "RTSP replies out of step", "yes"],
  ["[h264 @ 0x5] [error] non-existing PPS 0 referenced", "Damaged frames", "yes"],
  ["[h264 @ 0x5] [error] error while decoding MB 12 3, bytestream -7", "Damaged frames", "yes"],
  [
    "[tls @ 0x5] [error] Error in the pull function.\n[error] rtsps://cam/a: Input/output error",
    "Encrypted connection failed",
    "no",
  ],
  ["[error] av_interleaved_write_frame(): No space left on device", "Disk is full", "after_host"],
  ["[warning] Immediate exit requested", "Stopped on request", "none"],
  [
    "[rtsp @ 0x5] [warning] Thread message queue blocking; consider raising",
    "This host can't keep up",
    "yes",
  ],
];

describe("FFmpeg's words", () => {
  it.each(LINES)("%s", (text, message, retry) => {
    expect(matchFault(text.split("\n"))).toMatchObject({ message, retry });
  });

  it("cover every row of the table", () => {
    const said = new Set(LINES.map(([text]) => matchFault(text.split("\n"))?.name));
    expect(FAULT_TABLE.filter(({ name }) => !said.has(name))).toEqual([]);
  });

  it.each(FAULT_TABLE)("of $name are explained whole", ({ cause, message, advice, retry }) => {
    for (const text of [cause, message, advice, retry]) expect(text).toMatch(/\w/);
  });

  it("mean nothing where a refused transport is only tried and replaced", () => {
    expect(matchFault(["method SETUP failed: 461 Unsupported transport"])).toBeUndefined();
  });
});

describe("the end of a session", () => {
  it("is explained by what ended it, not by what disturbed it before", () => {
    const tail = ["[warning] RTP: missed 3 packets", "[error] x: Connection timed out"];
    const fault = explainEnd({ code: 0, signal: null }, tail);
    expect(faultText(fault)).toBe(
      "Camera did not answer. Check that it is powered and that no firewall is between",
    );
    expect(fault.tail).toEqual(tail);
  });

  it.each([
    [{ code: 0, signal: null }, [], "The stream ended"],
    [
      { code: 1, signal: null },
      ["[error] odd", "[info] a"],
      "FFmpeg ended with exit code 1. It said: [error] odd",
    ],
    [{ code: null, signal: "SIGSEGV" }, [], "FFmpeg was ended by SIGSEGV"],
    [
      { code: 255, signal: null },
      ["[warning] Immediate exit requested"],
      "FFmpeg ended with exit code 255",
    ],
  ] as const)("of %o after %o reads: %s", (end, tail, text) => {
    expect(faultText(explainEnd(end, tail))).toBe(text);
  });

  it("by a stall names what FFmpeg said before", () => {
    const fault = stallFault(10, true, ["[error] x: No route to host"]);
    expect(faultText(fault)).toBe("No new picture for 10 s. Camera is unreachable");
    expect(faultText(stallFault(20, false, []))).toMatch(/^No picture within 20 s of connecting/);
    expect(explainEnd(FAILED, []).retry).toBe("yes");
  });
});
