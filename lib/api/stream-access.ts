import type { RunnerId } from "../core/runner-id.ts";
import type { ServerAnswer } from "./pipeline-monitor.ts";

/** One heartbeat as the stream holds it. */
export interface StoredHeartbeat {
  readonly seq: number;
  /** When the stream stored it, epoch ms. */
  readonly timeMs: number;
  readonly data: Uint8Array;
}

export interface HeartbeatQuery {
  readonly runner: RunnerId;
  readonly limit: number;
  /** Only those before this sequence. */
  readonly before: number | undefined;
}

/**
 * What the API wants of the streams themselves. Everything rejects with AppError `unavailable`
 * while NATS is out of reach, at once or within a few seconds.
 */
export interface StreamAccess {
  isConnected(): boolean;
  askServer(): Promise<ServerAnswer>;
  /** Newest first; `hasMore` tells whether there are older ones. */
  heartbeats(query: HeartbeatQuery): Promise<{ items: StoredHeartbeat[]; hasMore: boolean }>;
  /** Resolves, with its sequence, once the stream has stored it. */
  publishHeartbeat(runner: RunnerId, data: Uint8Array): Promise<number>;
  /** The same for an event. @param id stores it once, however often it is published. */
  publishEvent(runner: RunnerId, type: string, body: object, id: string): Promise<number>;
  /** Whether the stream holds such an event of the runner. */
  hasEvent(runner: RunnerId, type: string): Promise<boolean>;
  /** What the sentinel that watches says of itself; null where none does. */
  sentinelReport(): Promise<string | null>;
}
