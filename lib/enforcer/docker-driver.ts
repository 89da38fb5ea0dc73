/** Containers by name, through the Docker Engine API. */
import { request } from "node:http";
import type { IncomingMessage, RequestOptions } from "node:http";
import { AppError, messageOf } from "../core/errors.ts";
import type { Driver } from "./driver.ts";
import type { UnitBackend, UnitState } from "./unit-backend.ts";
import { createUnitDriver } from "./unit-driver.ts";
import type { UnitDriverOptions } from "./unit-driver.ts";

/** Without a version the daemon takes its newest, which has had all of this since 1.24. */
const REQUEST_MS = 10_000;
/** Docker's own ladder: TERM, and KILL after so long. */
const STOP_SEC = 10;
const MAX_ANSWER_BYTES = 4_194_304;
const MAX_LAST_LINES = 20;
/** Exit codes above are 128 and the number of a signal. */
const KILLED_CODE = 137;

export interface DockerOptions extends Omit<UnitDriverOptions, "backend" | "nameOf"> {
  /** As in DOCKER_HOST: `unix:///var/run/docker.sock` or `tcp://host:port`. */
  readonly dockerHost: string;
}

/** An address that is neither a socket nor TCP is told when a container is asked for. */
export function createDockerDriver(options: DockerOptions): Driver {
  return createUnitDriver({
    ...options,
    backend: createDockerBackend(options.dockerHost),
    nameOf: ({ driver }) => (driver.kind === "docker" ? driver.container : undefined),
  });
}

/** What is read of `GET /containers/{name}/json`. */
interface Inspected {
  readonly State?: {
    readonly Status?: string;
    readonly Running?: boolean;
    readonly Paused?: boolean;
    readonly Restarting?: boolean;
    readonly OOMKilled?: boolean;
    readonly Pid?: number;
    readonly ExitCode?: number;
    readonly Error?: string;
    readonly StartedAt?: string;
    readonly FinishedAt?: string;
    readonly Health?: { readonly Status?: string };
  };
}

function createDockerBackend(dockerHost: string): UnitBackend {
  const ask = async (method: string, path: string, timeoutMs = REQUEST_MS) =>
    await answerOf({ ...targetOf(dockerHost), method, path, timeout: timeoutMs }, dockerHost);
  const order = async (name: string, what: string, timeoutMs?: number): Promise<void> => {
    const answer = await ask("POST", `${pathOf(name)}/${what}`, timeoutMs);
    // 304: it is like that already.
    if (answer.status >= 400) throw refusal(name, what, answer);
  };
  return {
    async inspect(name) {
      const answer = await ask("GET", `${pathOf(name)}/json`);
      if (answer.status !== 200) throw refusal(name, "inspect", answer);
      const state = stateOf(JSON.parse(answer.body.toString("utf8")) as Inspected);
      if (state.kind !== "stopped") return state;
      const path = `${pathOf(name)}/logs?stderr=1&tail=${MAX_LAST_LINES}`;
      const logs = await ask("GET", path).catch(() => undefined);
      return { ...state, lines: [...state.lines, ...logLines(logs)].slice(-MAX_LAST_LINES) };
    },
    start: async (name) => await order(name, "start"),
    stop: async (name) => await order(name, `stop?t=${STOP_SEC}`, (STOP_SEC + 20) * 1_000),
  };
}

function pathOf(name: string): string {
  return `/containers/${encodeURIComponent(name)}`;
}

function targetOf(dockerHost: string): RequestOptions {
  if (dockerHost.startsWith("unix://")) return { socketPath: dockerHost.slice("unix://".length) };
  const tcp = /^(?:tcp|http):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(dockerHost);
  if (tcp === null) {
    throw new AppError(
      "invalid",
      `DOCKER_HOST is ${dockerHost}, but only unix:///path and tcp://host:port can be reached from here`,
    );
  }
  return { host: tcp[1]?.replaceAll(/[[\]]/g, "") ?? "", port: Number(tcp[2] ?? 2375) };
}

function stateOf({ State: state = {} }: Inspected): UnitState {
  if (state.Restarting === true) return { kind: "changing" };
  if (state.Running === true) {
    const isBad = state.Health?.Status === "unhealthy";
    return {
      kind: "running",
      pid: state.Pid === undefined || state.Pid < 1 ? null : state.Pid,
      startedAt: timeOf(state.StartedAt),
      health: isBad ? "unhealthy" : "healthy",
      message: isBad ? "Docker's health check fails" : "",
      isFrozen: state.Paused === true,
    };
  }
  const isKilled = state.OOMKilled === true || state.ExitCode === KILLED_CODE;
  const why = state.OOMKilled === true ? ["killed: out of memory"] : [];
  const error = state.Error === undefined || state.Error === "" ? [] : [state.Error];
  return {
    kind: "stopped",
    exitCode: isKilled ? null : (state.ExitCode ?? null),
    signal: isKilled ? "SIGKILL" : null,
    at: timeOf(state.FinishedAt),
    lines: [...why, ...error],
  };
}

/** `0001-01-01T00:00:00Z` stands for never. */
function timeOf(text: string | undefined): number {
  const time = Date.parse(text ?? "");
  return Number.isFinite(time) && time > 0 ? time : 0;
}

/** The stream comes in frames, each after 8 bytes: its source, three zeros, its length. */
function logLines(answer: Answer | undefined): string[] {
  if (answer?.status !== 200) return [];
  const { body } = answer;
  let text = "";
  for (let at = 0; at + 8 <= body.length;) {
    const length = body.readUInt32BE(at + 4);
    text += body.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text.split("\n").filter((line) => line.trim() !== "");
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

async function answerOf(options: RequestOptions, dockerHost: string): Promise<Answer> {
  const { timeout = REQUEST_MS } = options;
  try {
    return await new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeout);
      const outgoing = request({ ...options, signal, agent: false }, (incoming) => {
        bodyOf(incoming).then(
          (body) => resolve({ status: incoming.statusCode ?? 0, body }),
          reject,
        );
      });
      outgoing.once("error", reject);
      outgoing.end();
    });
  } catch (error) {
    throw unreachable(error as NodeJS.ErrnoException, dockerHost);
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function unreachable(error: NodeJS.ErrnoException, dockerHost: string): AppError {
  const cause = { cause: error };
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED": {
      const text = `Docker does not answer at ${dockerHost}: start it, or set DOCKER_HOST`;
      return new AppError("unavailable", text, cause);
    }
    case "EACCES":
    case "EPERM": {
      const text = `${dockerHost} may not be used by this user: add it to the group that owns the socket`;
      return new AppError("forbidden", text, cause);
    }
    case undefined:
    default:
      return new AppError("unavailable", `Docker at ${dockerHost}: ${messageOf(error)}`, cause);
  }
}

function refusal(name: string, what: string, { status, body }: Answer): AppError {
  if (status === 404) {
    return new AppError(
      "not_found",
      `Docker has no container "${name}": create it, or correct its name in the fleet file`,
    );
  }
  const text = body.toString("utf8").slice(0, 500);
  const said = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text;
  const verb = what.replace(/\?.*$/, "");
  return new AppError("unavailable", `Docker can't ${verb} "${name}" (${status}): ${said.trim()}`);
}
