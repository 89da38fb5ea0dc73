/** Heartbeats over HTTP, for hosts that can't reach NATS: one request at a time, latest wins. */
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { AppError } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import type { BeatChannel, ChannelHooks } from "./beat-channel.ts";

/** A request that is not answered within this time has failed. */
const ANSWER_MS = 5_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 10_000;
const POLL_MS = 10;
const HEARTBEATS_PATH = "/api/v1/heartbeats";
/** The route of older camera runners takes cameras only; its neighbour takes every runner. */
const CAMERA_PATH = /\/api\/runner\/heartbeat\/?$/;

export interface HttpPostOptions {
  /** RUNNER_HEARTBEAT_URL. */
  readonly url: string;
  /** RUNNER_HEARTBEAT_KEY. */
  readonly key?: string;
}

/** @throws AppError `invalid` for a URL that is not http or https. */
export function openHttpPost(options: HttpPostOptions, hooks: ChannelHooks): BeatChannel {
  const post = new HttpPost(targetOf(options.url), options.key, hooks);
  queueMicrotask(() => hooks.onReady());
  return post;
}

function targetOf(text: string): URL {
  try {
    const url = new URL(text);
    if (/^https?:$/.test(url.protocol)) {
      url.pathname = url.pathname.replace(CAMERA_PATH, HEARTBEATS_PATH);
      return url;
    }
  } catch {
    // Named below.
  }
  throw new AppError(
    "invalid",
    `"${redact(text)}" is not a heartbeat address: write http://host:8080${HEARTBEATS_PATH}`,
  );
}

class HttpPost implements BeatChannel {
  private readonly url: URL;
  private readonly key: string | undefined;
  private readonly hooks: ChannelHooks;
  private readonly agent: HttpAgent | HttpsAgent;
  private pending: ClientRequest | undefined;
  private socket: Socket | undefined;
  private isRefusedBeat = false;
  private isHeld = false;
  private isClosed = false;
  private retryMs = RETRY_MIN_MS;
  private retryTimer: NodeJS.Timeout | undefined;
  private lastError = "";

  constructor(url: URL, key: string | undefined, hooks: ChannelHooks) {
    this.url = url;
    this.key = key;
    this.hooks = hooks;
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = url.protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
  }

  send(body: Uint8Array): boolean {
    if (this.isClosed) return false;
    if (this.pending !== undefined) {
      this.isRefusedBeat = true;
      return false;
    }
    clearTimeout(this.retryTimer);
    const request = this.startRequest(body);
    this.pending = request;
    const timer = setTimeout(() => {
      request.destroy(new Error(`no answer within ${ANSWER_MS} ms`));
    }, ANSWER_MS).unref();
    request.once("close", () => clearTimeout(timer));
    return true;
  }

  isSettling(): boolean {
    return this.pending !== undefined;
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
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    this.pending?.destroy();
    this.agent.destroy();
  }

  private startRequest(body: Uint8Array): ClientRequest {
    const start = this.url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = start(this.url, {
      method: "POST",
      agent: this.agent,
      headers: {
        "content-type": "application/json",
        "content-length": body.byteLength,
        ...(this.key === undefined ? {} : { authorization: `Bearer ${this.key}` }),
      },
    });
    request.on("socket", (socket) => this.adopt(socket));
    request.on("response", (response) => this.answered(response));
    request.on("error", (error) => this.failed(error.message));
    request.end(body);
    return request;
  }

  private adopt(socket: Socket): void {
    this.socket = socket;
    const applyHold = () => {
      if (!this.isHeld) socket.unref();
    };
    applyHold();
    if (socket.connecting) socket.once("connect", applyHold);
  }

  private answered(response: IncomingMessage): void {
    const status = response.statusCode ?? 0;
    // Read to its end and thrown away, or the connection could not be used again.
    response.resume();
    response.once("close", () => {
      if (status < 300) this.succeeded();
      else this.failed(`HTTP ${status}${hintFor(status)}`, retryAfterMs(response));
    });
  }

  private succeeded(): void {
    this.lastError = "";
    this.retryMs = RETRY_MIN_MS;
    this.pending = undefined;
    if (!this.isRefusedBeat || this.isClosed) return;
    this.isRefusedBeat = false;
    this.hooks.onReady();
  }

  private failed(reason: string, waitMs?: number): void {
    if (this.pending === undefined) return;
    this.pending = undefined;
    this.isRefusedBeat = false;
    const message = redact(`heartbeats do not reach ${this.url.href}: ${reason}; trying again`);
    if (message !== this.lastError) this.hooks.onError(new AppError("unavailable", message));
    this.lastError = message;
    if (this.isClosed) return;
    this.retryTimer = setTimeout(() => this.hooks.onReady(), waitMs ?? this.retryMs).unref();
    this.retryMs = Math.min(RETRY_MAX_MS, this.retryMs * 2);
  }
}

function hintFor(status: number): string {
  if (status === 401 || status === 403) return " (is RUNNER_HEARTBEAT_KEY the right key?)";
  return status === 404 ? " (is RUNNER_HEARTBEAT_URL the right address?)" : "";
}

function retryAfterMs(response: IncomingMessage): number | undefined {
  const seconds = Number(response.headers["retry-after"]);
  return seconds > 0 ? Math.min(seconds, 60) * 1000 : undefined;
}
