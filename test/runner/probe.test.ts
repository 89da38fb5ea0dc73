import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { startProbe } from "../../lib/runner/probe.ts";
import type { Probe, ProbeResult } from "../../lib/runner/probe.ts";
import { waitFor } from "../support/wait-for.ts";

const probes: Probe[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(probes.splice(0).map((probe) => probe.stop()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Starts a probe; gives what it tells. */
function start(spec: { http?: string; command?: string[]; timeoutSec?: number }): ProbeResult[] {
  const told: ProbeResult[] = [];
  const { http, command, timeoutSec = 5 } = spec;
  probes.push(
    startProbe(
      { http, command, everySec: 0.05, timeoutSec },
      { spawn: spawnGroup, env: { PATH: process.env["PATH"] } },
      (result) => told.push(result),
    ),
  );
  return told;
}

async function listen(answer: () => number | undefined): Promise<string> {
  const server = createServer((_, response) => {
    const status = answer();
    if (status !== undefined) response.writeHead(status, { location: "/" }).end("text");
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe("a probe over HTTP", () => {
  it("tells each change once, and takes a redirect for an answer", async () => {
    let status = 302;
    const url = await listen(() => status);
    const told = start({ http: url });
    await waitFor(() => told.length === 1);
    status = 500;
    await waitFor(() => told.length === 2);
    status = 204;
    await waitFor(() => told.length === 3);
    expect(told).toEqual([
      { isOk: true, message: "" },
      { isOk: false, message: `Probe failed: ${url} answers 500` },
      { isOk: true, message: "" },
    ]);
  });

  it("does not wait for an answer for ever", async () => {
    const url = await listen(() => undefined);
    const told = start({ http: url, timeoutSec: 0.1 });
    await waitFor(() => told.length === 1);
    expect(told[0]?.message).toBe(`Probe failed: ${url} does not answer within 0.1 s`);
  });

  it("fails where nobody listens", async () => {
    const told = start({ http: "http://127.0.0.1:1/" });
    await waitFor(() => told.length === 1);
    expect(told[0]?.message).toMatch(/^Probe failed: .*(ECONNREFUSED|bad port)/);
  });
});

describe("a probe by a command", () => {
  it("is good while the command succeeds", async () => {
    const told = start({ command: ["true"] });
    await waitFor(() => told.length === 1);
    expect(told[0]).toEqual({ isOk: true, message: "" });
  });

  it("fails with the command's exit code and last words, redacted", async () => {
    const told = start({ command: ["sh", "-c", "echo token=abc refused >&2; exit 3"] });
    await waitFor(() => told.length === 1);
    expect(told[0]?.message).toBe("Probe failed: sh ended with exit code 3: token=*** refused");
  });

  it("ends a command that hangs, with everything it has started", async () => {
    const told = start({ command: ["sh", "-c", "sleep 100 & wait"], timeoutSec: 0.1 });
    await waitFor(() => told.length === 1);
    expect(told[0]?.message).toBe("Probe failed: sh does not end within 0.1 s");
  });

  it("fails where there is no such command", async () => {
    const told = start({ command: ["/no/such/probe"] });
    await waitFor(() => told.length === 1);
    expect(told[0]?.message).toMatch(/^Probe failed: .*no\/such\/probe/);
  });
});
