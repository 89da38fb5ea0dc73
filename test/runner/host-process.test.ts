import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { beforeAll, describe, expect, it } from "vitest";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { builtFile } from "./built-program.ts";

let client = "";

beforeAll(async () => {
  client = await builtFile("lib/runner/client.ts");
});

/** Runs a host program that has `startHeartbeat`; gives its exit code and how long it took. */
async function runHost(
  source: string,
  env: Record<string, string>,
): Promise<{ code: number | null; stderr: string }> {
  const file = join(makeTempDir("host"), "host.mjs");
  writeFileSync(file, `import { startHeartbeat } from ${JSON.stringify(client)};\n${source}`);
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stderr };
}

describe("a program with a heartbeat", () => {
  it("is heard although it ends at once, with everything taken from its environment", async () => {
    const server = await startNatsServer();
    const nc = await connect({ servers: server.url });
    const bodies: Record<string, unknown>[] = [];
    nc.subscribe("other.hb.process.short.default", {
      callback: (_, message) => void bodies.push(message.json()),
    });
    await nc.flush();

    const { code } = await runHost(`startHeartbeat();`, {
      NATS_URL: server.url,
      RUNBEAT_RUNNER: "process/short/default",
      RUNBEAT_SUBJECT_PREFIX: "other",
      HEARTBEAT_INTERVAL_SEC: "7",
    });

    expect(code).toBe(0);
    await waitFor(() => bodies.length === 1);
    expect(bodies[0]).toMatchObject({ runner: "process/short/default", interval_sec: 7 });
    await nc.close();
  });

  it("is not kept alive by a connected heartbeat", async () => {
    const server = await startNatsServer();
    const { code } = await runHost(
      `startHeartbeat({ intervalSec: 0.2 }); setTimeout(() => {}, 700);`,
      { NATS_URL: server.url, RUNBEAT_RUNNER: "process/short/default" },
    );
    expect(code).toBe(0);
  });

  it.each(["refuses", "is mute"])("is not kept alive by a server that %s", async (kind) => {
    const mute = createServer((socket) => socket.on("error", () => {}));
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const { port } = mute.address() as AddressInfo;
    if (kind === "refuses") await new Promise((resolve) => mute.close(resolve));
    const { code, stderr } = await runHost(
      `startHeartbeat({ onError: (e) => console.error(e.message) }); setTimeout(() => {}, 300);`,
      { NATS_URL: `nats://127.0.0.1:${port}`, RUNBEAT_RUNNER: "process/short/default" },
    );
    expect(code).toBe(0);
    if (kind === "refuses") expect(stderr).toMatch(/ECONNREFUSED/);
    else mute.close();
  });

  it("may run many heartbeats without a warning", async () => {
    const server = await startNatsServer();
    const { code, stderr } = await runHost(
      `for (let i = 0; i < 50; i++) startHeartbeat({ runner: "process/p" + i + "/default" });`,
      { NATS_URL: server.url },
    );
    expect(code).toBe(0);
    expect(stderr).toBe("");
  });
});
