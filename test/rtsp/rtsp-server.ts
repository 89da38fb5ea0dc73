/** Starts the real RTSP server that plays the camera. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

/** Debian's own: its packages are not there for another one. */
const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("rtsp-server.py", import.meta.url));
const PACKAGES =
  "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly";

export const RTSP_USER = "viewer";
/** With what people put into passwords, and nothing that could stand anywhere by chance. */
export const RTSP_PASSWORD = "Qx7@h/un:ter";

export interface RtspServer {
  readonly port: number;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Ends it at once. */
  readonly kill: () => Promise<void>;
}

const started: ChildProcess[] = [];

afterAll(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

/** @param port 0: a free one. */
export async function startRtspServer(port = 0): Promise<RtspServer> {
  const env = {
    PATH: process.env["PATH"],
    RTSP_PORT: String(port),
    RTSP_USER,
    RTSP_PASSWORD,
  };
  const child = spawn(PYTHON, [SCRIPT], { env, stdio: ["pipe", "pipe", "pipe"] });
  started.push(child);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once("line", resolve);
    const fail = () => {
      reject(new Error(`The RTSP server has not started; it needs ${PACKAGES}: ${stderr}`));
    };
    child.once("error", fail);
    void ended.then(fail);
  });
  return {
    port: Number(line),
    signal: (signal) => void child.kill(signal),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
