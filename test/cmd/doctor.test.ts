import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { openDatabase } from "../../lib/store/open.ts";
import { natsServerBinary, startNatsServer } from "../support/nats-server.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { runCommand } from "./command-line.ts";

interface Check {
  readonly name: string;
  readonly level: string;
  readonly found: string;
  readonly advice: string | null;
}

async function diagnose(env: Record<string, string>, cwd = makeTempDir("doctor")) {
  const { code, stdout } = await runCommand(["doctor", "--json"], {
    cwd,
    env: { RUNBEAT_HTTP_PORT: "0", RUNBEAT_NATS_PORT: "0", ...env },
  });
  const { checks, summary } = JSON.parse(stdout) as { checks: Check[]; summary: object };
  return { code, summary, check: (name: string) => checks.find((one) => one.name === name) };
}

describe("runbeat doctor", () => {
  test("before the first start finds nothing wrong, and says what to start", async () => {
    const { code, check } = await diagnose({ RUNBEAT_NATS_SERVER: natsServerBinary() });
    expect(code).toBe(0);
    expect(check("node")).toMatchObject({ level: "ok", found: process.versions.node });
    expect(check("nats-server")).toMatchObject({ level: "ok" });
    expect(check("data folder")?.found).toContain("not there yet");
    expect(check("NATS")).toMatchObject({ level: "warn", advice: "start it: runbeat up" });
  });

  test("on a good server and database finds all well", async () => {
    const server = await startNatsServer();
    const nc = await connect({ servers: server.url });
    await reconcileStreams(nc, STREAM_OPTIONS);
    await nc.close();
    const cwd = makeTempDir("doctor");
    (await openDatabase(join(cwd, ".runbeat", "runbeat.db"))).close();
    const { code, check } = await diagnose({ NATS_URL: server.url }, cwd);
    expect(code).toBe(0);
    for (const name of ["NATS", "JetStream", "fast persistence", "streams", "clock", "database"]) {
      expect(check(name), name).toMatchObject({ level: "ok", advice: null });
    }
  });

  test("names what is wrong and ends with 1", async () => {
    const server = await startNatsServer();
    const nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    await jsm.streams.add({
      name: "RUNBEAT_EVENTS",
      subjects: ["runbeat.ev.>"],
      storage: "memory",
    });
    await nc.close();
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const cwd = makeTempDir("doctor");
    mkdirSync(join(cwd, ".runbeat"));
    writeFileSync(join(cwd, ".runbeat", "heartbeat.key"), "secret");
    chmodSync(join(cwd, ".runbeat", "heartbeat.key"), 0o644);
    writeFileSync(
      join(cwd, ".runbeat", "runbeat.db"),
      "this is not a database, but long enough".repeat(9),
    );
    const env = { NATS_URL: server.url, RUNBEAT_HTTP_PORT: String(port) };
    const { code, check } = await diagnose(env, cwd);
    other.close();
    expect(code).toBe(1);
    expect(check("streams")).toMatchObject({
      level: "fail",
      found: 'RUNBEAT_EVENTS: storage is "memory", but must be "file"',
    });
    expect(check("API port")?.found).toContain(`taken by another program (process ${process.pid}`);
    expect(check("heartbeat key")).toMatchObject({
      level: "fail",
      advice: expect.stringContaining("chmod 600"),
    });
    expect(check("database")).toMatchObject({ level: "fail" });
  });

  test("says that a configured server is down, without its password: 1", async () => {
    const { code, check } = await diagnose({ NATS_URL: "nats://ops:hunter2@127.0.0.1:1" });
    expect(code).toBe(1);
    expect(check("NATS")).toMatchObject({
      level: "fail",
      found: expect.stringContaining("can't be reached"),
    });
    expect(JSON.stringify(check("NATS"))).not.toContain("hunter2");
  });

  test("says that a configured program will not do: 1", async () => {
    const { code, check } = await diagnose({ RUNBEAT_NATS_SERVER: "/bin/true" });
    expect(code).toBe(1);
    expect(check("nats-server")?.found).toContain("does not say which nats-server it is");
  });

  test("as text has a line for each check and a sum", async () => {
    const env = { RUNBEAT_HTTP_PORT: "0", RUNBEAT_NATS_PORT: "0" };
    const { stdout } = await runCommand(["doctor"], { cwd: makeTempDir("doctor"), env });
    expect(stdout).toMatch(/^ok +node +\d+/);
    expect(stdout).toMatch(/\n\d+ ok, \d+ to look at, \d+ wrong\n$/);
  });
});
