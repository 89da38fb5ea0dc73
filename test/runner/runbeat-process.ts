/** Runs the built `runbeat` as people do: as a process, against a real NATS server. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { connect } from "@nats-io/transport-node";
import { afterAll } from "vitest";
import { makeTempDir } from "../support/temp-dir.ts";
import { builtFile } from "./built-program.ts";

export interface RunbeatProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const started: ChildProcess[] = [];

afterAll(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

/** @param stdin text for its standard input. */
export async function runbeat(
  args: readonly string[],
  env: Record<string, string> = {},
  stdin = "",
): Promise<RunbeatProcess> {
  const program = await builtFile("cmd/runbeat.ts");
  const child = spawn(process.execPath, [program, ...args], {
    cwd: makeTempDir("runbeat"),
    env: { PATH: process.env["PATH"], FFMPEG_BIN: process.env["FFMPEG_BIN"], ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  started.push(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  return {
    child,
    pid: child.pid ?? 0,
    output: () => ({ stdout, stderr }),
    ended: new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal }));
    }),
  };
}

export type Body = Record<string, unknown>;

export interface Heard {
  readonly beats: readonly Body[];
  readonly events: readonly { readonly type: string; readonly body: Body }[];
  close(): Promise<void>;
}

/** Hears every heartbeat and event of a server. */
export async function hear(url: string): Promise<Heard> {
  const nc = await connect({ servers: url });
  const beats: Body[] = [];
  const events: { type: string; body: Body }[] = [];
  nc.subscribe("runbeat.hb.>", { callback: (_, message) => void beats.push(message.json()) });
  nc.subscribe("runbeat.ev.>", {
    callback: (_, message) => {
      events.push({ type: message.subject.split(".").at(-1) ?? "", body: message.json() });
    },
  });
  await nc.flush();
  return { beats, events, close: async () => await nc.close() };
}
