/** How a heartbeat leaves the process: over NATS (`nats-line.ts`) or HTTP (`http-post.ts`). */
import type { AppError } from "../core/errors.ts";

export interface BeatChannel {
  /**
   * Hands a body over; nothing is queued. False when it can't be sent now: `onReady` then follows
   * as soon as it can, and the sender makes a fresh one.
   */
  send(body: Uint8Array): boolean;
  /** Whether waiting a moment may still bring an accepted body through. */
  isSettling(): boolean;
  /** Whether the channel keeps the process alive; it does not unless told. */
  hold(isHeld: boolean): void;
  /** Waits up to `waitMs` for what was sent to be taken, then closes. */
  close(waitMs: number): Promise<void>;
}

export interface ChannelHooks {
  /** The way is free: opened, connected again, or the request before is done. */
  readonly onReady: () => void;
  /** What went wrong; the channel goes on trying. Not repeated while nothing changes. */
  readonly onError: (error: AppError) => void;
}

/** Opens a channel that reports through the hooks. */
export type OpenChannel = (hooks: ChannelHooks) => BeatChannel;
