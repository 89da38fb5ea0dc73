/** The embedded nats-server: a child of ours on loopback with a store of its own. */
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { AppError, messageOf } from "../../core/errors.ts";
import { openJetStream } from "../jetstream.ts";
import { serverConfigText } from "./config-text.ts";
import { describeExit, missingProtections, spawnServer } from "./child.ts";
import type { ServerChild } from "./child.ts";
import { lastLines, readFrom, sizeOf } from "./server-log.ts";
import { startFailure } from "./start-failure.ts";
import { lockFile, makeStartFolder, prepareFolders, writeHolder } from "./store-folder.ts";

/** A big store takes its time after a crash. */
const READY_MS = 180_000;
const SAY_WAITING_MS = 5_000;
const POLL_MS = 25;
const ANSWER_MS = 2_000;

export interface EmbeddedServerOptions {
  readonly binary: string;
  /** On 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly storeDir: string;
  /** The server's own log; it is turned over at 10 MiB, three are kept. */
  readonly logFile: string;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
  readonly readyTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServerEnd {
  /** Whether `stop` ended it. */
  readonly expected: boolean;
  /** One line for people, with the last lines of its log where it was not expected. */
  readonly message: string;
}

export interface EmbeddedServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** Resolves once the process has ended, whyever. */
  readonly exited: Promise<ServerEnd>;
  /** Ends it in an orderly way; ends at the latest after 10 s, with force. */
  stop(): Promise<void>;
}

/**
 * Starts the server and waits until JetStream answers.
 * @throws AppError `conflict` for a port or store that another has, `forbidden` or `unavailable`
 *   for a folder that can't be used, a full disk, or a server that ends or does not get ready.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  options.signal?.throwIfAborted();
  const start = new ServerStart(options);
  return await start.run();
}

class ServerStart {
  readonly #options: EmbeddedServerOptions;
  readonly #name = `runbeat-${randomBytes(6).toString("hex")}`;
  /** Where this start's lines begin in the log. */
  readonly #logFrom: number;
  readonly #child: ServerChild;
  /** Of this start alone. */
  readonly #folder: string;
  readonly #configFile: string;

  constructor(options: EmbeddedServerOptions) {
    this.#options = options;
    const { storeDir, logFile, log } = options;
    const disk = prepareFolders(storeDir, logFile);
    const missing = missingProtections();
    if (missing.length > 0) log.warn({ missing }, "nats-server runs with less protection");
    this.#logFrom = sizeOf(logFile);
    this.#folder = makeStartFolder(storeDir);
    this.#configFile = join(this.#folder, "nats-server.conf");
    const paths = { storeDir, logFile, portsDir: this.#folder, maxStoreBytes: disk.totalBytes };
    writeFileSync(
      this.#configFile,
      serverConfigText({ ...paths, serverName: this.#name, port: options.port }),
    );
    this.#child = spawnServer({
      binary: options.binary,
      args: ["-c", this.#configFile],
      lockFile: lockFile(storeDir),
    });
  }

  async run(): Promise<EmbeddedServer> {
    const ready = new AbortController();
    const died = this.#child.ended.then(
      async () => await startFailure({ ...this.#options, child: this.#child, said: this.#said() }),
    );
    try {
      const winner = await Promise.race([this.#whenReady(ready.signal), died]);
      if (winner instanceof AppError) throw winner;
      return this.#handle(winner);
    } catch (error) {
      await this.#child.end();
      throw error;
    } finally {
      ready.abort();
      // Kept for whoever wants to know how the server runs.
      renameSync(this.#configFile, join(this.#options.storeDir, "nats-server.conf"));
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  #handle({ port, version }: { port: number; version: string }): EmbeddedServer {
    const url = `nats://127.0.0.1:${port}`;
    const { storeDir } = this.#options;
    writeHolder(storeDir, { pid: this.#child.pid, url, startedBy: process.pid });
    let isStopping = false;
    return {
      url,
      port,
      version,
      pid: this.#child.pid,
      exited: this.#child.ended.then(() => this.#describeEnd(isStopping)),
      stop: async () => {
        isStopping = true;
        await this.#child.end();
      },
    };
  }

  async #whenReady(done: AbortSignal): Promise<{ port: number; version: string }> {
    const { log, readyTimeoutMs = READY_MS, signal } = this.#options;
    const from = performance.now();
    let hasSaid = false;
    while (!done.aborted) {
      signal?.throwIfAborted();
      const port = this.#listeningPort();
      const version = port === undefined ? undefined : await this.#answer(port);
      if (port !== undefined && version !== undefined) return { port, version };
      const waitedMs = performance.now() - from;
      if (waitedMs > readyTimeoutMs) throw this.#tooSlow(readyTimeoutMs);
      if (waitedMs > SAY_WAITING_MS && !hasSaid) log.info("nats-server is reading its store");
      hasSaid ||= waitedMs > SAY_WAITING_MS;
      await delay(POLL_MS);
    }
    throw new AppError("internal", "nobody waits for nats-server any more");
  }

  /** The server writes the file once it listens. */
  #listeningPort(): number | undefined {
    const name = readdirSync(this.#folder).find((entry) => entry.endsWith(".ports"));
    const text = name === undefined ? "" : readFileSync(join(this.#folder, name), "utf8");
    const port = /"nats:\/\/[^"]*:(\d+)"/.exec(text)?.[1];
    return port === undefined ? undefined : Number(port);
  }

  /** Its version once it is ours and JetStream answers. */
  async #answer(port: number): Promise<string | undefined> {
    const nc = await connect({
      servers: `127.0.0.1:${port}`,
      name: "runbeat up",
      reconnect: false,
      timeout: ANSWER_MS,
      noAsyncTraces: true,
    }).catch(() => undefined);
    try {
      if (nc?.info?.server_name !== this.#name) return undefined;
      await openJetStream(nc, { timeoutMs: ANSWER_MS });
      return nc.info.version;
    } catch (error) {
      this.#options.log.debug({ reason: messageOf(error) }, "JetStream does not answer yet");
      return undefined;
    } finally {
      await nc?.close();
    }
  }

  /** What it said since this start, on stderr or in its log. */
  #said(): string {
    return lastLines(`${this.#child.stderr()}\n${readFrom(this.#options.logFile, this.#logFrom)}`);
  }

  #tooSlow(afterMs: number): AppError {
    return new AppError(
      "unavailable",
      `nats-server was not ready after ${afterMs / 1000} s. Its log says: ${this.#said()}`,
    );
  }

  #describeEnd(expected: boolean): ServerEnd {
    if (expected) return { expected, message: "nats-server was stopped" };
    return { expected, message: `${describeExit(this.#child)}. Its log says: ${this.#said()}` };
  }
}
