/** The checks of a host, one function each. None of them throws. */
import { lookup } from "node:dns/promises";
import { statfs, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { judgePercent, percentMessage } from "../core/health-checks.ts";
import type { CheckResult, Severity, Thresholds } from "../core/health-checks.ts";
import { openHostMeter } from "./host-usage.ts";

const CONNECT_MS = 5_000;

export type Finding = Pick<CheckResult, "severity" | "message" | "value">;

/** Looks once. `before`: what the look before came to. */
export type Check = (before: Severity) => Promise<Finding>;

/** Of the disk that the folder is on, as df(1) counts: what is kept for root can't be used. */
export function checkDisk(folder: string, limits: Thresholds): Check {
  return async (before) => {
    try {
      const { blocks, bfree, bavail } = await statfs(folder);
      const used = blocks - bfree;
      const percent = used + bavail === 0 ? 0 : (used / (used + bavail)) * 100;
      return ofPercent("Disk", percent, limits, before);
    } catch (error) {
      return failed(`The disk of ${folder} can't be looked at (${reasonOf(error)})`);
    }
  };
}

/** Of the container where it has a limit, else of the host. */
export function checkMemory(limits: Thresholds, root?: string): Check {
  const meter = openHostMeter(root);
  return async (before) => {
    const { usedBytes, limitBytes } = meter.memory();
    return ofPercent("Memory", (usedBytes / limitBytes) * 100, limits, before);
  };
}

/** Over the time since the look before. */
export function checkCpu(limits: Thresholds, root?: string): Check {
  const meter = openHostMeter(root);
  return async (before) => {
    const percent = meter.cpuPercent();
    if (percent !== null) return ofPercent("CPU", percent, limits, before);
    return { severity: "unknown", message: "CPU not measured yet", value: null };
  };
}

/** One of the places is enough; none: this host's own loopback. */
export function checkNetwork(reach: readonly string[]): Check {
  return async () => {
    const startedMs = performance.now();
    const reasons: string[] = [];
    for (const place of reach.length === 0 ? [""] : reach) {
      const wrong = await reachOne(place);
      const value = Math.round(performance.now() - startedMs);
      if (wrong === "") return { severity: "ok", message: "Network works", value };
      reasons.push(wrong);
    }
    return failed(`Network fails: ${reasons.join("; ")}`);
  };
}

/** Writes, for only that tells. */
export function checkFiles(folder: string): Check {
  const file = join(folder, `.write-check-${process.pid}`);
  return async () => {
    try {
      await writeFile(file, "written to see whether it can be\n");
      await rm(file, { force: true });
      return { severity: "ok", message: `${folder} can be written`, value: null };
    } catch (error) {
      return failed(`${folder} can't be written (${reasonOf(error)})`);
    }
  };
}

function ofPercent(what: string, percent: number, limits: Thresholds, before: Severity): Finding {
  const severity = judgePercent(percent, limits, before);
  const message = percentMessage(what, percent, limits, severity);
  return { severity, message, value: Math.round(percent * 10) / 10 };
}

function failed(message: string): Finding {
  return { severity: "error", message, value: null };
}

/** "" where it was reached, else what is wrong. */
async function reachOne(place: string): Promise<string> {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(place);
  try {
    if (place === "") await reachLoopback();
    else if (match === null) await lookup(place);
    else await reachPort(match[1] ?? match[2] ?? "", Number(match[3]));
    return "";
  } catch (error) {
    return `${place === "" ? "loopback" : place} (${reasonOf(error)})`;
  }
}

/** A refusal is an answer too: the network has brought it. */
async function reachPort(host: string, port: number): Promise<void> {
  const socket = connect({ host, port, timeout: CONNECT_MS });
  socket.on("error", () => {});
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("timeout", () => reject(new Error(`no answer within ${CONNECT_MS / 1_000} s`)));
      socket.once("error", (error: NodeJS.ErrnoException) =>
        error.code === "ECONNREFUSED" ? resolve() : reject(error),
      );
    });
  } finally {
    socket.destroy();
  }
}

async function reachLoopback(): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    await reachPort("127.0.0.1", typeof address === "object" ? (address?.port ?? 0) : 0);
  } finally {
    server.close();
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
