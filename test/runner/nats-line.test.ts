import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, credsAuthenticator, nkeys } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import type { BeatChannel } from "../../lib/runner/beat-channel.ts";
import { openNatsLine } from "../../lib/runner/nats-line.ts";
import type { NatsLineOptions } from "../../lib/runner/nats-line.ts";
import { natsLogin } from "../../lib/runner/nats-login.ts";
import { createLineReader, parseServerLine, parseServers } from "../../lib/runner/nats-wire.ts";
import { makeJwtSetup } from "../nats/user-jwt.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const BODY = Buffer.from(`{"pid":1}`);
const TLS = join(import.meta.dirname, "..", "nats", "tls");

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Opened {
  readonly line: BeatChannel;
  readonly errors: string[];
  readonly readies: () => number;
}

function open(url: string, options: Partial<NatsLineOptions> = {}): Opened {
  const errors: string[] = [];
  let readies = 0;
  const line = openNatsLine(
    { url, subject: "runbeat.hb.worker.w1.default", name: "test", ...options },
    { onReady: () => readies++, onError: ({ message }) => errors.push(message) },
  );
  closers.push(async () => await line.close(100));
  return { line, errors, readies: () => readies };
}

function tlsFile(name: string): string {
  return readFileSync(join(TLS, name), "utf8");
}

function tlsConfig(more = ""): string {
  const file = (name: string) => join(TLS, name);
  return `tls { cert_file: "${file("server.pem")}", key_file: "${file("server-key.pem")}", ca_file: "${file("ca.pem")}", ${more} }`;
}

describe("the line to NATS", () => {
  it("brings what it sends to a subscriber", async () => {
    const server = await startNatsServer();
    const nc = await connect({ servers: server.url });
    closers.push(async () => await nc.close());
    const bodies: unknown[] = [];
    nc.subscribe("runbeat.hb.>", { callback: (_, message) => void bodies.push(message.json()) });
    await nc.flush();
    const { line, readies } = open(server.url);
    expect(line.send(BODY)).toBe(false);
    await waitFor(() => readies() === 1);
    expect(line.send(BODY)).toBe(true);
    await waitFor(() => bodies.length === 1);
    expect(bodies).toEqual([{ pid: 1 }]);
    await waitFor(() => !line.isSettling());
  });

  it.each([
    ["where the server asks for it", "", {}, (port: number) => `nats://localhost:${port}`],
    ["by address", "", {}, (port: number) => `tls://127.0.0.1:${port}`],
    [
      "with a certificate of its own",
      "verify: true",
      { cert: "client.pem", key: "client-key.pem" },
      (port: number) => `tls://localhost:${port}`,
    ],
  ])("speaks TLS %s", async (_, config, own, url) => {
    const server = await startNatsServer({ config: tlsConfig(config) });
    const pems = Object.fromEntries(
      Object.entries(own).map(([name, file]) => [name, tlsFile(file)]),
    );
    const { line, readies } = open(url(server.port), { tls: { ca: tlsFile("ca.pem"), ...pems } });
    await waitFor(() => readies() === 1);
    expect(line.send(BODY)).toBe(true);
    await waitFor(() => !line.isSettling());
  });

  it("speaks TLS before the greeting where it is told to", async () => {
    const server = await startNatsServer({ config: tlsConfig("handshake_first: true") });
    const tls = { ca: tlsFile("ca.pem") };
    const { readies } = open(`tls://localhost:${server.port}`, { tls, tlsFirst: true });
    await waitFor(() => readies() === 1);
  });

  it("does not trust a server whose certificate nobody vouches for", async () => {
    const server = await startNatsServer({ config: tlsConfig() });
    const { errors, readies } = open(`tls://localhost:${server.port}`);
    await waitFor(() => errors.length === 1);
    expect(errors[0]).toMatch(/certificate|self.signed/i);
    expect(readies()).toBe(0);
  });

  it("logs in with a credentials file, read anew each time", async () => {
    const setup = makeJwtSetup();
    const server = await startNatsServer({ config: setup.serverConfig, jetstream: false });
    const creds = join(makeTempDir("creds"), "user.creds");
    const login = natsLogin({ creds });
    if (login === undefined) throw new Error("a credentials file is a login");
    const { errors, readies } = open(server.url, { login });
    await waitFor(() => errors.length === 1);
    expect(errors[0]).toMatch(/creds file .*user\.creds/);
    writeFileSync(creds, setup.creds);
    await waitFor(() => readies() === 1);
    const check = await connect({
      servers: server.url,
      authenticator: credsAuthenticator(Buffer.from(setup.creds)),
    });
    await check.close();
  });

  it("logs in with an nkey, a token, or user and password", async () => {
    const pair = nkeys.createUser();
    const seed = join(makeTempDir("nkey"), "user.nk");
    writeFileSync(seed, `${new TextDecoder().decode(pair.getSeed())}\n`);
    const cases = [
      [`authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`, { nkey: seed }],
      [`authorization { token: "t0ken" }`, { token: "t0ken" }],
      [`authorization { user: ops, password: "p@ss" }`, { user: "ops", password: "p@ss" }],
    ] as const;
    for (const [config, given] of cases) {
      const server = await startNatsServer({ config, jetstream: false });
      const login = natsLogin(given);
      if (login === undefined) throw new Error("this is a login");
      const { readies } = open(server.url, { login });
      await waitFor(() => readies() === 1);
    }
  });

  it("goes to the next server of the list where one is away", async () => {
    const server = await startNatsServer({ jetstream: false });
    const { readies } = open(`nats://127.0.0.1:1,${server.url}`);
    await waitFor(() => readies() === 1);
  });

  it("says that what answers is no NATS server", async () => {
    const { createServer } = await import("node:net");
    const greeter = createServer((socket) =>
      socket.on("error", () => {}).end("SSH-2.0-x\r\n".repeat(9)),
    );
    await new Promise<void>((resolve) => greeter.listen(0, "127.0.0.1", resolve));
    const address = greeter.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { errors } = open(`nats://127.0.0.1:${port}`);
    await waitFor(() => errors.length === 1);
    expect(errors[0]).toMatch(/closed the connection/);
    greeter.close();
  });
});

describe("addresses of NATS", () => {
  it.each([
    ["127.0.0.1", { host: "127.0.0.1", port: 4222, tls: false }],
    ["nats://h:4333/", { host: "h", port: 4333, tls: false }],
    ["TLS://h", { host: "h", port: 4222, tls: true }],
    ["nats://[::1]:4222", { host: "::1", port: 4222, tls: false }],
    ["nats://u:p%40s@h", { host: "h", port: 4222, tls: false, user: "u", password: "p@s" }],
    ["nats://u:p@s:s@h:1", { host: "h", port: 1, tls: false, user: "u", password: "p@s:s" }],
    ["nats://t%zz@h", { host: "h", port: 4222, tls: false, token: "t%zz" }],
  ])("%s are read", (text, address) => {
    expect(parseServers(text)).toEqual([address]);
  });

  it.each(["", " , ", "http://h", "nats://", "nats://h:70000", "nats://h/path", "a b"])(
    "%j are refused",
    (text) => {
      expect(() => parseServers(text)).toThrow(/NATS_URL/);
    },
  );
});

describe("the server's lines", () => {
  it("are understood however they are written", () => {
    expect(parseServerLine(`INFO {"nonce":"x"} `)).toEqual({ type: "info", info: { nonce: "x" } });
    expect(parseServerLine("ping")).toEqual({ type: "ping" });
    expect(parseServerLine("-ERR 'Authorization Violation'")).toEqual({
      type: "error",
      text: "Authorization Violation",
    });
    expect(parseServerLine("INFO nonsense")).toMatchObject({ type: "error" });
    expect(parseServerLine("+OK")).toEqual({ type: "other" });
  });

  it("are cut at their ends, whatever the pieces, and an endless one is refused", () => {
    const lines: string[] = [];
    const feed = createLineReader((line) => lines.push(line));
    for (const piece of ["PI", "NG\r", "\nPONG\r\nX"]) expect(feed(Buffer.from(piece))).toBe(true);
    expect(lines).toEqual(["PING", "PONG"]);
    expect(feed(Buffer.alloc(70_000, "x"))).toBe(false);
  });
});
