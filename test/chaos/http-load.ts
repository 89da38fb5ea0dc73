/** Posts heartbeats and registrations over HTTP and remembers each that was answered 2xx. */
import { setTimeout as delay } from "node:timers/promises";
import { INGEST_KEY } from "./stage.ts";

const POSTERS = 3;
const PAUSE_MS = 40;
const TIMEOUT_MS = 5_000;
const BATCH = 5;

/** `<runner>#<number>`: enough to find a heartbeat again in the stream. */
export type Mark = string;

interface Post {
  readonly path: string;
  readonly body: object;
  readonly heartbeats: readonly Mark[];
  readonly registers?: string;
}

export class HttpLoad {
  /** Heartbeats that were answered 2xx. */
  readonly accepted: Mark[] = [];
  /** Workers whose registration was answered 201. */
  readonly registered: string[] = [];
  /** Answers by status; `none` where there was no answer. */
  readonly answers = new Map<string, number>();
  readonly #url: string;
  readonly #posters: Promise<void>[];
  #isStopping = false;
  #number = Date.UTC(2026, 0, 1);

  constructor(url: string) {
    this.#url = url;
    this.#posters = Array.from({ length: POSTERS }, (_, poster) => this.#postOn(poster));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#posters);
  }

  async #postOn(poster: number): Promise<void> {
    for (let turn = 0; !this.#isStopping; turn++) {
      await this.#post(this.#draft(poster, turn));
      await delay(PAUSE_MS);
    }
  }

  #draft(poster: number, turn: number): Post {
    switch (turn % 4) {
      case 0:
        return this.#cameraPost(poster);
      case 1:
        return this.#registration(poster, turn);
      case 2:
        return this.#workerPost(poster);
      default:
        return this.#batch(poster);
    }
  }

  #cameraPost(poster: number): Post {
    const number = this.#next();
    const camera = `http-${poster}`;
    const body = { camera, profile: "hd", pid: 4711, fps: 25, detected: number, matched: 0 };
    return { path: "/api/runner/heartbeat/", body, heartbeats: [`camera/${camera}/hd#${number}`] };
  }

  #registration(poster: number, turn: number): Post {
    const worker = `http-${poster}-${turn}`;
    const body = { worker_id: worker, host: "edge-9", labels: { turn: String(turn) } };
    return { path: "/v1/workers", body, heartbeats: [], registers: worker };
  }

  /** Of the worker registered last; 404 where that was not stored. */
  #workerPost(poster: number): Post {
    const number = this.#next();
    const worker = this.registered.findLast((name) => name.startsWith(`http-${poster}-`)) ?? "none";
    const timestamp = new Date(number).toISOString();
    const body = { worker_id: worker, timestamp, health_status: "healthy" };
    const mark = `worker/${worker}/default#${number}`;
    return { path: "/v1/heartbeat", body, heartbeats: [mark] };
  }

  #batch(poster: number): Post {
    const runner = `process/http-${poster}/main`;
    const numbers = Array.from({ length: BATCH }, () => this.#next());
    const body = numbers.map((seq) => ({ runner, pid: 99, host: "edge-9", seq }));
    const heartbeats = numbers.map((seq) => `${runner}#${seq}`);
    return { path: "/api/v1/heartbeats", body, heartbeats };
  }

  #next(): number {
    this.#number += 1;
    return this.#number;
  }

  async #post({ path, body, heartbeats, registers }: Post): Promise<void> {
    const status = await this.#send(path, body);
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    if (!status.startsWith("2")) return;
    // 207: some of a batch were stored; which is told in the body, and nobody counts on it here.
    if (status !== "207") this.accepted.push(...heartbeats);
    if (registers !== undefined && status === "201") this.registered.push(registers);
  }

  async #send(path: string, body: object): Promise<string> {
    try {
      const answer = await fetch(this.#url + path, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${INGEST_KEY}`,
          "x-bisk-key": INGEST_KEY,
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await answer.arrayBuffer();
      return String(answer.status);
    } catch {
      return "none";
    }
  }
}

/** The mark of a heartbeat as the stream holds it: the number is in `detected`, `ts` or `seq`. */
export function markOf(runner: string, body: Readonly<Record<string, unknown>>): Mark | undefined {
  const [kind, name] = runner.split("/");
  if (name?.startsWith("http-") !== true) return undefined;
  const { detected, ts, seq } = body;
  const number = kind === "camera" ? detected : kind === "worker" ? ts : seq;
  const value = typeof number === "string" ? Date.parse(number) : number;
  return `${runner}#${String(value)}`;
}
