/** The command as it is run: another process, a real server, its own folder. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bareEnvironment, programArguments, runCommand } from "../cmd/command-line.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

let server: TestNatsServer;
let folder: string;
let env: Record<string, string>;
let url: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = makeTempDir("api");
  server = await startNatsServer();
  await server.stop();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const fleet = join(folder, "fleet.yaml");
  writeFileSync(fleet, "runners: { service/vpn/main: { external: true, interval_sec: 30 } }\n");
  env = {
    NATS_URL: server.url,
    RUNBEAT_DATA_DIR: join(folder, "data"),
    RUNBEAT_HTTP_PORT: String(port),
    RUNBEAT_FLEET: fleet,
  };
});

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}

function start(name: string): ChildProcess {
  const child = spawn(process.execPath, programArguments([name]), {
    cwd: folder,
    env: bareEnvironment(env),
    stdio: ["ignore", "ignore", "ignore"],
  });
  children.push(child);
  return child;
}

async function status(path: string): Promise<number> {
  return (await fetch(`${url}${path}`)).status;
}

async function post(): Promise<number> {
  const key = readFileSync(join(folder, "data", "heartbeat.key"), "utf8").trim();
  const response = await fetch(`${url}/api/runner/heartbeat/`, {
    method: "POST",
    headers: { "x-bisk-key": key, "content-type": "application/json" },
    body: JSON.stringify({ camera_id: 1, profile_id: 1, pid: 9_999, fps: 5 }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** The runner's status, or the answer's where there is none. */
async function runnerStatus(runner: string): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/runners/${runner}`);
  return ((await response.json()) as { status: unknown }).status;
}

describe("runbeat api", () => {
  let api: ChildProcess;

  it("listens and says what is missing while there is neither NATS nor a database", async () => {
    api = start("api");
    await waitFor(async () => (await status("/livez")) === 200, { what: "the API listens" });
    expect(await status("/readyz")).toBe(503);
    expect(await status("/healthz")).toBe(503);
    expect(await status("/api/v1/runners")).toBe(503);
    expect(await post()).toBe(503);
    expect(statSync(join(folder, "data", "heartbeat.key")).mode & 0o777).toBe(0o600);
  });

  it("finds NATS and the database as they come, and shows what is posted", async () => {
    await server.restart();
    start("projector");
    await waitFor(async () => (await status("/readyz")) === 200, { timeoutMs: 20_000 });
    expect(await status("/healthz")).toBe(200);
    expect(await post()).toBe(202);
    await waitFor(async () => (await runnerStatus("camera/1/1")) === "online");
    expect(await runnerStatus("service/vpn/main")).toBe("starting");
  });

  it("shows unknown, not offline, when NATS is gone, and goes on when it is back", async () => {
    await server.kill9();
    await waitFor(async () => (await runnerStatus("camera/1/1")) === "unknown");
    expect(await post()).toBe(503);
    await server.restart();
    await waitFor(async () => (await post()) === 202, { timeoutMs: 20_000 });
    await waitFor(async () => (await runnerStatus("camera/1/1")) === "online");
  });

  it("ends in good order when it is told to", async () => {
    api.kill("SIGTERM");
    const [code] = (await once(api, "exit")) as [number | null];
    expect(code).toBe(0);
  });

  it("refuses another address than loopback without a read key, with exit code 2", async () => {
    const outcome = await runCommand(["api", "--host", "0.0.0.0"], { cwd: folder, env });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain("RUNBEAT_READ_KEY");
  });

  it("says that its port is taken, with exit code 1", async () => {
    const { port } = new URL(server.url);
    const outcome = await runCommand(["api", "--port", port], { cwd: folder, env });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`port ${port} is taken`);
  });
});
