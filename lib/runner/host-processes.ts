/** Processes that live on without us, found again by identity and by a mark in their environment. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { AppError, messageOf } from "../core/errors.ts";
import { RUN_MARK } from "../core/host-processes.ts";
import type {
  DetachedCommand,
  DetachedProcess,
  HostProcesses,
  KernelIdentity,
} from "../core/host-processes.ts";
import {
  bootId,
  isProcessAlive,
  kernelIdentityOf,
  livingProcesses,
  readProcessStat,
} from "./process-identity.ts";

const OWNER_ONLY = 0o600;

export const hostProcesses: HostProcesses = {
  start: startDetached,
  isAlive,
  signal(identity, mark, signal) {
    if (isAlive(identity, mark)) send(identity.pid, signal);
  },
  signalMarked(mark, signal) {
    const marked = livingProcesses().filter(({ pid }) => pid !== process.pid && has(pid, mark));
    for (const { pid } of marked) if (signal !== 0) send(pid, signal);
    return marked.length;
  },
  signalGroupOf(leader, signal) {
    if (!isSame(leader) || readProcessStat(leader.pid)?.groupId !== leader.pid) return 0;
    const members = livingProcesses().filter(({ groupId }) => groupId === leader.pid);
    if (members.length > 0 && signal !== 0) send(-leader.pid, signal);
    return members.length;
  },
  bootId,
};

function startDetached({ file, args, env, outputFile }: DetachedCommand): DetachedProcess {
  const output = open(outputFile);
  try {
    const child = spawn(file, [...args], {
      detached: true,
      env: { ...env },
      stdio: ["pipe", output, output],
    });
    child.on("error", () => {});
    // It ends before it reads its order where it is killed at once.
    child.stdin?.on("error", () => {});
    const identity = child.pid === undefined ? undefined : kernelIdentityOf(child.pid);
    if (identity === undefined) {
      // Without a pid its handle holds 0, and a signal to that one would reach our whole group.
      if (child.pid !== undefined) child.kill("SIGKILL");
      throw new AppError(
        "unavailable",
        `${file} could not be started: is there a /proc, and room for another process?`,
      );
    }
    child.unref();
    (child.stdin as Socket).unref();
    return {
      identity,
      feed: (text) => void child.stdin?.end(text),
      ended: new Promise((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
      }),
    };
  } finally {
    closeSync(output);
  }
}

function open(path: string): number {
  try {
    return openSync(path, "a", OWNER_ONLY);
  } catch (error) {
    throw new AppError("unavailable", `${path} can't be written: ${messageOf(error)}`);
  }
}

function isAlive(identity: KernelIdentity, mark: string): boolean {
  return isSame(identity) && isProcessAlive(identity.pid) && has(identity.pid, mark);
}

function isSame({ pid, startTicks, bootId }: KernelIdentity): boolean {
  const now = kernelIdentityOf(pid);
  return now?.startTicks === startTicks && now.bootId === bootId;
}

/** Only its owner can read a process's environment: what we can't see is not ours. */
function has(pid: number, mark: string): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, "latin1");
    return text.split("\0").includes(`${RUN_MARK}=${mark}`);
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended just now.
  }
}
