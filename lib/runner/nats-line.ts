/**
 * A publish-only NATS connection that never keeps its process alive. The official client holds its
 * process with its socket, its pings and its reconnect timers, and it queues what is published
 * during an outage; a runner's host must be free to exit, and only the latest heartbeat is worth
 * sending. So this speaks the few lines that publishing needs. It subscribes to nothing, so that a
 * permission to publish one subject is enough.
 */
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AppError } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import type { BeatChannel, ChannelHooks } from "./beat-channel.ts";
import {
  addressLogin,
  connectLines,
  createLineReader,
  parseServerLine,
  parseServers,
  publishFrame,
} from "./nats-wire.ts";
import type { LoginFields, ServerAddress, ServerInfo, ServerLine } from "./nats-wire.ts";

/** A connection that is not made, or a ping not answered, within this time is given up. */
const ANSWER_MS = 2_000;
const RECONNECT_MIN_MS = 200;
const RECONNECT_MAX_MS = 2_000;
/** A refused login is not tried as often: servers lock out and log each one. */
const REFUSED_WAIT_MS = 10_000;
/** More unsent bytes than this mean that the server reads no more. */
const MAX_UNSENT_BYTES = 131_072;
/** Addresses that a cluster tells of itself. */
const MAX_LEARNED_SERVERS = 32;
const POLL_MS = 10;

export interface NatsLineOptions {
  /** Address or addresses, separated by commas. */
  readonly url: string;
  readonly subject: string;
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** The login for a challenge of the server; made anew for each connection. */
  readonly login?: (nonce: string | undefined) => LoginFields | Promise<LoginFields>;
  /** PEM texts; for `tls://` and for servers that ask for TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** The server expects TLS before its greeting. */
  readonly tlsFirst?: boolean;
}

/** Opens the line; it connects for ever until closed. @throws AppError `invalid` for a bad URL. */
export function openNatsLine(options: NatsLineOptions, hooks: ChannelHooks): BeatChannel {
  const line = new NatsLine(options, hooks);
  line.connect();
  return line;
}

type State = "connecting" | "open" | "waiting" | "closed";

class NatsLine implements BeatChannel {
  private readonly options: NatsLineOptions;
  private readonly hooks: ChannelHooks;
  private readonly servers: ServerAddress[];
  private state: State = "waiting";
  private socket: Socket | undefined;
  private attempts = 0;
  private pingsOut = 0;
  private isHeld = false;
  private isRefused = false;
  private lastError = "";
  private answerTimer: NodeJS.Timeout | undefined;
  private reconnectTimer: NodeJS.Timeout | undefined;

  constructor(options: NatsLineOptions, hooks: ChannelHooks) {
    this.options = options;
    this.hooks = hooks;
    this.servers = parseServers(options.url);
  }

  connect(): void {
    const server = this.servers[this.attempts % this.servers.length];
    if (this.state !== "waiting" || server === undefined) return;
    this.state = "connecting";
    this.attempts++;
    const { host, port } = server;
    const socket = connectTcp({ host, port, noDelay: true });
    this.adopt(socket);
    this.expectAnswer();
    if (this.options.tlsFirst === true) this.startTls(server, () => this.listen(server));
    else this.listen(server);
  }

  send(body: Uint8Array): boolean {
    const { socket } = this;
    if (this.state !== "open" || socket === undefined) return false;
    if (socket.writableLength > MAX_UNSENT_BYTES) return false;
    socket.write(publishFrame(this.options.subject, body));
    this.pingsOut++;
    this.expectAnswer();
    return true;
  }

  isSettling(): boolean {
    return this.state === "connecting" || (this.state === "open" && this.pingsOut > 0);
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    if (isHeld) this.socket?.ref();
    else this.socket?.unref();
  }

  async close(waitMs: number): Promise<void> {
    this.hold(true);
    const deadline = performance.now() + waitMs;
    while (this.isSettling() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    this.state = "closed";
    clearTimeout(this.reconnectTimer);
    this.drop();
  }

  /** Makes a socket the current one; events of an older one change nothing any more. */
  private adopt(socket: Socket): void {
    this.socket = socket;
    const applyHold = () => {
      if (!this.isHeld) socket.unref();
    };
    applyHold();
    // Trying several addresses of a name makes new handles, which hold the process again.
    socket.once("connect", applyHold);
    socket.once("secureConnect", applyHold);
    socket.on("error", (error) => this.fail(socket, error.message));
    socket.on("close", () => this.fail(socket, "the server closed the connection"));
  }

  private startTls(server: ServerAddress, onSecure: () => void): void {
    const plain = this.socket;
    if (plain === undefined) return;
    plain.removeAllListeners("data");
    const secure = connectTls({
      socket: plain,
      ...(/[a-z]/i.test(server.host) && !server.host.includes(":")
        ? { servername: server.host }
        : {}),
      host: server.host,
      ...this.options.tls,
    });
    this.adopt(secure);
    secure.once("secureConnect", onSecure);
  }

  private listen(server: ServerAddress): void {
    const { socket } = this;
    if (socket === undefined) return;
    const read = createLineReader((line) => {
      if (this.socket === socket) this.receive(server, parseServerLine(line));
    });
    socket.on("data", (chunk: Buffer) => {
      if (this.socket === socket && !read(chunk)) this.fail(socket, "this is not a NATS server");
    });
  }

  private receive(server: ServerAddress, line: ServerLine): void {
    switch (line.type) {
      case "info":
        this.learn(line.info);
        if (this.state === "connecting") this.greet(server, line.info);
        return;
      case "ping":
        this.socket?.write("PONG\r\n");
        return;
      case "pong":
        this.answered();
        return;
      case "error":
        this.refuse(line.text);
        return;
      case "other":
        return;
    }
  }

  private greet(server: ServerAddress, info: ServerInfo): void {
    const isSecure = this.options.tlsFirst === true;
    if (!isSecure && (server.tls || info.tls_required === true)) {
      this.startTls(server, () => {
        this.listen(server);
        void this.logIn(server, info);
      });
    } else void this.logIn(server, info);
  }

  private async logIn(server: ServerAddress, info: ServerInfo): Promise<void> {
    const { socket } = this;
    try {
      const given = await this.options.login?.(info.nonce);
      if (this.socket !== socket) return;
      const fallback = this.servers.map(addressLogin).find((one) => Object.keys(one).length > 0);
      const own = addressLogin(server);
      const login = given ?? (Object.keys(own).length > 0 ? own : fallback) ?? {};
      this.pingsOut = 1;
      socket?.write(connectLines(this.options.name, login));
    } catch (error) {
      if (socket !== undefined) this.fail(socket, (error as Error).message);
    }
  }

  private answered(): void {
    this.pingsOut = Math.max(0, this.pingsOut - 1);
    if (this.pingsOut === 0) clearTimeout(this.answerTimer);
    if (this.state !== "connecting") return;
    this.state = "open";
    this.attempts = 0;
    this.lastError = "";
    this.isRefused = false;
    this.hooks.onReady();
  }

  /** The server closes by itself after any error but a refused publication. */
  private refuse(text: string): void {
    if (/permissions violation/i.test(text)) {
      this.report("forbidden", `NATS refuses the heartbeat: ${text}`);
      return;
    }
    this.isRefused = /authorization|authentication|expired|revoked/i.test(text);
    if (this.socket !== undefined) this.fail(this.socket, text);
  }

  private expectAnswer(): void {
    clearTimeout(this.answerTimer);
    const { socket } = this;
    this.answerTimer = setTimeout(() => {
      if (socket !== undefined) this.fail(socket, `no answer within ${ANSWER_MS} ms`);
    }, ANSWER_MS).unref();
  }

  private fail(socket: Socket, reason: string): void {
    if (this.socket !== socket || this.state === "closed" || this.state === "waiting") return;
    this.state = "waiting";
    this.drop();
    this.report(
      this.isRefused ? "forbidden" : "unavailable",
      `heartbeats do not reach NATS at ${this.shownServers()}: ${reason}; trying again`,
    );
    this.reconnectTimer = setTimeout(() => this.connect(), this.reconnectWaitMs()).unref();
  }

  /** Doubles for each round over the servers, with jitter, so that a fleet does not come at once. */
  private reconnectWaitMs(): number {
    const round = Math.floor((this.attempts - 1) / this.servers.length);
    const doubled = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** Math.max(0, round));
    return (this.isRefused ? REFUSED_WAIT_MS : doubled) * (0.75 + Math.random() / 4);
  }

  private drop(): void {
    clearTimeout(this.answerTimer);
    this.pingsOut = 0;
    const { socket } = this;
    this.socket = undefined;
    // Its late errors must not become uncaught ones.
    socket?.removeAllListeners();
    socket?.on("error", () => {});
    socket?.destroy();
  }

  private learn(info: ServerInfo): void {
    const tls = this.servers.some((server) => server.tls);
    for (const url of info.connect_urls ?? []) {
      if (this.servers.length >= MAX_LEARNED_SERVERS) return;
      const learned = tryServer(url);
      if (learned === undefined) continue;
      const { host, port } = learned;
      const isKnown = this.servers.some((server) => server.host === host && server.port === port);
      if (!isKnown) this.servers.push({ host, port, tls });
    }
  }

  private report(code: "unavailable" | "forbidden", message: string): void {
    const shown = redact(message);
    if (shown === this.lastError) return;
    this.lastError = shown;
    this.hooks.onError(new AppError(code, shown));
  }

  private shownServers(): string {
    return this.servers.map(({ host, port }) => `${host}:${port}`).join(", ");
  }
}

/** What a server says of its cluster is not trusted to be an address. */
function tryServer(url: string): ServerAddress | undefined {
  try {
    return parseServers(url)[0];
  } catch {
    return undefined;
  }
}
