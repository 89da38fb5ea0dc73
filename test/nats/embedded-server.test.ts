import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterEach, describe, expect, test } from "vitest";
import { diskOf } from "../../lib/nats/server/store-folder.ts";
import { startEmbeddedServer } from "../../lib/nats/server/run.ts";
import type { EmbeddedServer, EmbeddedServerOptions } from "../../lib/nats/server/run.ts";
import { makeLog } from "../support/log-lines.ts";
import { natsServerBinary, startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const running: EmbeddedServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map(async (server) => await server.stop()));
});

function optionsIn(dataDir: string): EmbeddedServerOptions {
  return {
    binary: natsServerBinary(),
    port: 0,
    storeDir: join(dataDir, "nats"),
    logFile: join(dataDir, "logs", "nats-server.log"),
    log: makeLog().log,
  };
}

async function start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer(options);
  running.push(server);
  return server;
}

/** A dead process whose new parent has not looked at it yet is state Z. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

/** Publishes one message to a stream, made where it is missing, and counts what is in it. */
async function addOne(url: string): Promise<number> {
  const nc = await connect({ servers: url });
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "KEPT", subjects: ["kept"] });
  await jetstream(nc).publish("kept", "x");
  const { state } = await jsm.streams.info("KEPT");
  await nc.close();
  return state.messages;
}

function script(text: string): string {
  const file = join(makeTempDir("binary"), "nats-server");
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

describe("an embedded server", () => {
  test("listens on loopback, stores in its own folder, and is gone after stop", async () => {
    const dataDir = makeTempDir("embedded");
    const server = await start(optionsIn(dataDir));
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    expect(server.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(await addOne(server.url)).toBe(1);
    const listening = readFileSync("/proc/net/tcp", "utf8").split("\n");
    const port = server.port.toString(16).toUpperCase().padStart(4, "0");
    expect(listening.filter((line) => line.includes(` 00000000:${port} `))).toEqual([]);
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(await server.exited).toEqual({ expected: true, message: "nats-server was stopped" });
    expect(readdirSync(join(dataDir, "nats")).filter((name) => name.startsWith("start-"))).toEqual(
      [],
    );
  });

  test("syncs what it acknowledges and keeps its log bounded", async () => {
    const dataDir = makeTempDir("embedded");
    const server = await start(optionsIn(dataDir));
    const config = readFileSync(join(dataDir, "nats", "nats-server.conf"), "utf8");
    expect(config).toContain("sync_interval: always");
    expect(config).toContain("logfile_size_limit: 10485760");
    expect(existsSync(join(dataDir, "logs", "nats-server.log"))).toBe(true);
    const nc = await connect({ servers: server.url });
    const { tiers: _, limits } = await (await jetstreamManager(nc)).getAccountInfo();
    expect(limits.max_storage).toBe(-1);
    await nc.close();
  });

  test("that is killed says so, and starts again on the same store", async () => {
    const options = optionsIn(makeTempDir("embedded"));
    const first = await start(options);
    expect(await addOne(first.url)).toBe(1);
    process.kill(first.pid, "SIGKILL");
    const end = await first.exited;
    expect(end.expected).toBe(false);
    expect(end.message).toContain("nats-server ended by SIGKILL");
    const second = await start({ ...options, port: first.port });
    expect(second.port).toBe(first.port);
    expect(await addOne(second.url)).toBe(2);
  });

  test("is not reached by ctrl-C at the terminal", async () => {
    const server = await start(optionsIn(makeTempDir("embedded")));
    const stat = readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ")[1]?.split(" ");
    expect(Number(stat?.[2])).toBe(server.pid);
  });

  test("dies with a parent that is killed, and its store is free at once", async () => {
    const options = optionsIn(makeTempDir("embedded"));
    const built = join(resolve(import.meta.dirname, "../.."), "dist/lib/nats/server/run.js");
    const plain = JSON.stringify({ ...options, log: undefined });
    const text = `
      const { startEmbeddedServer } = await import(${JSON.stringify(built)});
      const log = { info() {}, warn() {}, debug() {} };
      console.log((await startEmbeddedServer({ ...${plain}, log })).pid);
    `;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", text], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    expect(isAlive(pid)).toBe(true);
    parent.kill("SIGKILL");
    const next = await start(options);
    expect(isAlive(pid)).toBe(false);
    expect(next.pid).not.toBe(pid);
  });
});

describe("a start that can't succeed", () => {
  test("on a port of another nats-server names that server", async () => {
    const other = await startNatsServer({ config: `server_name: "ops"` });
    const failed = start({ ...optionsIn(makeTempDir("embedded")), port: other.port });
    await expect(failed).rejects.toMatchObject({ code: "conflict" });
    await expect(failed).rejects.toThrow(
      new RegExp(
        `Port ${other.port} on 127.0.0.1 is taken by a nats-server \\S+ named "ops" ` +
          `\\(process ${other.pid}, nats-server\\)\\. .*RUNBEAT_NATS_PORT`,
      ),
    );
  });

  test("on a port of another program names that program", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const failed = start({ ...optionsIn(makeTempDir("embedded")), port });
    await expect(failed).rejects.toThrow(
      new RegExp(`Port ${port} .* is taken by another program \\(process ${process.pid}`),
    );
    other.close();
  });

  test("on a store of another server names it, and leaves it alone", async () => {
    const options = optionsIn(makeTempDir("embedded"));
    const first = await start(options);
    await addOne(first.url);
    const failed = start(options);
    await expect(failed).rejects.toMatchObject({ code: "conflict" });
    await expect(failed).rejects.toThrow(
      `is in use by nats-server ${first.pid} on ${first.url}, started by process ${process.pid}`,
    );
    expect(await addOne(first.url)).toBe(2);
  });

  test("in a folder that can't be made says which", async () => {
    const dataDir = makeTempDir("embedded");
    writeFileSync(join(dataDir, "nats"), "a file");
    const failed = start(optionsIn(dataDir));
    await expect(failed).rejects.toMatchObject({ code: "forbidden" });
    await expect(failed).rejects.toThrow(`Folder ${join(dataDir, "nats")} can't be used`);
  });

  test.each([
    ["that is missing", "/nowhere/nats-server", /nats-server ended|could not be started/],
    ["that ends at once", script("echo no thanks >&2; exit 3"), /ended with code 3 .*no thanks/],
    [
      "on a full disk",
      script("echo write: no space left on device >&2; exit 1"),
      /disk of .* full/,
    ],
    ["without rights", script("echo open: permission denied >&2; exit 1"), /Give .* to this user/],
  ])("with a program %s shows what it said", async (_, binary, message) => {
    const failed = start({ ...optionsIn(makeTempDir("embedded")), binary });
    await expect(failed).rejects.toMatchObject({ code: "unavailable" });
    await expect(failed).rejects.toThrow(message);
  });

  test("with a program that never gets ready ends it after the deadline", async () => {
    const dataDir = makeTempDir("embedded");
    const binary = script(`echo $$ > ${join(dataDir, "pid")}; exec sleep 1000`);
    const failed = start({ ...optionsIn(dataDir), binary, readyTimeoutMs: 500 });
    await expect(failed).rejects.toThrow(/was not ready after 0.5 s/);
    expect(isAlive(Number(readFileSync(join(dataDir, "pid"), "utf8")))).toBe(false);
  });

  test("ends with its signal", async () => {
    const dataDir = makeTempDir("embedded");
    const stop = new AbortController();
    const binary = script(`echo $$ > ${join(dataDir, "pid")}; exec sleep 1000`);
    const failed = start({ ...optionsIn(dataDir), binary, signal: stop.signal });
    const pid = await waitFor(() => Number(readFileSync(join(dataDir, "pid"), "utf8")) || null);
    stop.abort();
    await expect(failed).rejects.toThrow(/abort/i);
    expect(isAlive(pid)).toBe(false);
  });
});

test("the disk of a folder has a size and room", () => {
  const { freeBytes, totalBytes } = diskOf(makeTempDir("disk"));
  expect(freeBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
});
