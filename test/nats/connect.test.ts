import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, test } from "vitest";
import { connectNats } from "../../lib/nats/connect.ts";
import type { ConnectOptions } from "../../lib/nats/connect.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { makeJwtSetup } from "./user-jwt.ts";

const open: NatsConnection[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map(async (nc) => await nc.close()));
});

async function connectTo(options: Partial<ConnectOptions> & { url: string }) {
  const { log, lines } = makeLog();
  const nc = await connectNats({ name: "test", log, timeoutMs: 2_000, ...options });
  open.push(nc);
  return { nc, lines };
}

/** A port that nothing listens on: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("reaching a server", () => {
  test("a refused connection names the address without its password and says what to do", async () => {
    const port = await closedPort();
    const failure = connectTo({ url: `nats://ops:hunter2@127.0.0.1:${port}` });
    await expect(failure).rejects.toMatchObject({ code: "unavailable" });
    await expect(failure).rejects.toThrow(`nats://127.0.0.1:${port} can't be reached`);
    await expect(failure).rejects.not.toThrow("hunter2");
  });

  test("a server that accepts and says nothing is given up after the time-out", async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const { port } = mute.address() as AddressInfo;
    await expect(connectTo({ url: `127.0.0.1:${port}`, timeoutMs: 200 })).rejects.toThrow(
      "did not answer within 0.2 s",
    );
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  test("the second server of a list is used when the first is down", async () => {
    const server = await startNatsServer();
    const dead = await closedPort();
    const { nc } = await connectTo({ url: `nats://127.0.0.1:${dead}, ${server.url}` });
    expect(nc.getServer()).toBe(`127.0.0.1:${server.port}`);
  });

  test("with waitOnFirstConnect it waits for a server that starts later", async () => {
    const server = await startNatsServer();
    await server.stop();
    const { log, lines } = makeLog();
    const pending = connectNats({ url: server.url, name: "t", log, waitOnFirstConnect: true });
    await waitFor(() => lines.some((line) => line.includes("can't be reached")), {
      what: "the log line of a failed attempt",
    });
    await server.restart();
    open.push(await pending);
  });

  test("waiting for the first connection ends with the signal", async () => {
    const stop = new AbortController();
    const url = `127.0.0.1:${await closedPort()}`;
    const { log } = makeLog();
    const { signal } = stop;
    const pending = connectNats({ url, name: "t", log, waitOnFirstConnect: true, signal });
    stop.abort();
    await expect(pending).rejects.toThrow(/abort/i);
  });

  test("a connection outlives a kill and a restart of its server, and says so", async () => {
    const server = await startNatsServer();
    const { nc, lines } = await connectTo({ url: server.url });
    await server.kill9();
    await waitFor(() => lines.some((line) => line.includes("lost NATS")), { what: "the loss" });
    await server.restart();
    await waitFor(() => lines.some((line) => line.includes("NATS is back")), {
      what: "the return",
    });
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
  });
});

describe("logging in", () => {
  test("user and password are taken from the address or from their settings", async () => {
    const server = await startNatsServer({
      config: `authorization { user: ops, password: "p@ss/word" }`,
    });
    const { port } = server;
    await connectTo({ url: `nats://ops:p%40ss%2Fword@127.0.0.1:${port}` });
    await connectTo({ url: `nats://ops:p@ss/word@127.0.0.1:${port}` });
    await connectTo({ url: server.url, user: "ops", password: "p@ss/word" });
    const wrong = connectTo({ url: server.url, user: "ops", password: "nope" });
    await expect(wrong).rejects.toMatchObject({ code: "forbidden" });
    await expect(wrong).rejects.toThrow('refused user "ops"');
    await expect(connectTo({ url: server.url })).rejects.toThrow("wants a login. Set NATS_CREDS");
  });

  test("a refused login is not waited for", async () => {
    const server = await startNatsServer({ config: `authorization { token: "t0p" }` });
    const wrong = connectTo({ url: server.url, token: "bad", waitOnFirstConnect: true });
    await expect(wrong).rejects.toMatchObject({ code: "forbidden" });
    await connectTo({ url: server.url, token: "t0p" });
    await connectTo({ url: `nats://t0p@127.0.0.1:${server.port}` });
  });

  test("an nkey's seed is read from its file", async () => {
    const user = nkeys.createUser();
    const server = await startNatsServer({
      config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
    });
    const nkey = join(makeTempDir(), "user.nk");
    writeFileSync(nkey, `${new TextDecoder().decode(user.getSeed())}\n`);
    const { nc } = await connectTo({ url: server.url, nkey });
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
  });

  test("a credentials file of an operator's server is used", async () => {
    const setup = makeJwtSetup();
    const server = await startNatsServer({ config: setup.serverConfig, jetstream: false });
    const creds = join(makeTempDir(), "user.creds");
    writeFileSync(creds, setup.creds);
    const { nc } = await connectTo({ url: server.url, creds });
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
  });

  test("a credentials file that is missing or broken is named before anything is tried", async () => {
    const creds = join(makeTempDir(), "user.creds");
    await expect(connectTo({ url: "127.0.0.1:1", creds })).rejects.toMatchObject({
      code: "invalid",
      message: expect.stringContaining(creds),
    });
    writeFileSync(creds, "not credentials");
    await expect(connectTo({ url: "127.0.0.1:1", creds })).rejects.toThrow(/can't be used: unable/);
  });
});

describe("TLS", () => {
  const file = (name: string): string => join(import.meta.dirname, "tls", name);
  const tls = (more = ""): string =>
    `tls { cert_file: "${file("server.pem")}", key_file: "${file("server-key.pem")}",
      ca_file: "${file("ca.pem")}"
      ${more} }`;

  test("the server's certificate is checked against the given authority", async () => {
    const server = await startNatsServer({ config: tls() });
    const url = `tls://localhost:${server.port}`;
    const { nc } = await connectTo({ url, tlsCa: file("ca.pem") });
    expect(nc.info?.tls_required).toBe(true);
    const unknown = connectTo({ url });
    await expect(unknown).rejects.toMatchObject({ code: "invalid" });
    await expect(unknown).rejects.toThrow("did not pass the TLS check");
  });

  test("our own certificate is shown to a server that asks for one", async () => {
    const server = await startNatsServer({ config: tls("verify: true") });
    const own = { tlsCert: file("client.pem"), tlsKey: file("client-key.pem") };
    await connectTo({ url: `localhost:${server.port}`, tlsCa: file("ca.pem"), ...own });
    const { tlsCert } = own;
    await expect(connectTo({ url: "localhost", tlsCert })).rejects.toThrow("tls_key need each");
  });

  test("TLS before the greeting works", async () => {
    const server = await startNatsServer({ config: tls("handshake_first: true") });
    const url = `localhost:${server.port}`;
    const { nc } = await connectTo({ url, tlsCa: file("ca.pem"), tlsFirst: true });
    expect(await nc.rtt()).toBeGreaterThanOrEqual(0);
  });

  test("TLS asked of a server without it is refused", async () => {
    const server = await startNatsServer();
    await expect(connectTo({ url: `tls://127.0.0.1:${server.port}` })).rejects.toThrow(
      "did not pass the TLS check",
    );
  });
});
