import { AppError, messageOf } from "../core/errors.ts";
import type { CheckpointView, Moment } from "../core/read-models.ts";
import { answered, asked, folded, lagMs, look, serverNow, startWatch } from "./pipeline-watch.ts";
import type { Contact, Followed, StreamState, WatchLimits, WatchState } from "./pipeline-watch.ts";

const ASK_EVERY_MS = 1_000;
/** After a failure it is asked again sooner. */
const ASK_AGAIN_MS = 250;
/**
 * Half of a slow answer's time is taken for its way back, but no more than this: where it was us
 * who were slow, the server's clock was read long before.
 */
const MAX_WAY_BACK_MS = 250;

/** What the server says of its time and its streams. */
export type ServerAnswer = Omit<Contact, "localMs">;

export interface MonitorOptions {
  /** Asks the server for its time and its streams; rejects when it does not answer. */
  readonly askServer: () => Promise<ServerAnswer>;
  readonly checkpoints: () => {
    readonly lane: "main" | "fast";
    readonly rows: readonly CheckpointView[];
  };
  /** Which projections statuses need. */
  readonly followed: readonly Followed[];
  readonly limits: WatchLimits;
}

/** Watches over NATS and the projector, and tells by which clock statuses are to be judged. */
export interface PipelineMonitor {
  /** Now, on the server's clock, and what could be seen until now. */
  moment(): Moment;
  /** How far folding is behind the streams, ms; null while that is unknown. */
  lagMs(): number | null;
  /** The streams as last heard of. */
  streams(): readonly StreamState[];
  /** Where time stands still, epoch ms: an import is shown as it was at its end. */
  standsAt(): number | undefined;
  /** Why the last question went unanswered; undefined after an answer. */
  trouble(): string | undefined;
  /** Whether everything that statuses need was folded up to the end at least once. */
  hasCaughtUp(): boolean;
  close(): void;
}

class Monitor implements PipelineMonitor {
  private readonly options: MonitorOptions;
  private state: WatchState;
  private failure: string | undefined = "NATS has not been asked yet";
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(options: MonitorOptions) {
    this.options = options;
    this.state = startWatch(Date.now());
    void this.ask();
  }

  moment(): Moment {
    this.readCheckpoints();
    const localMs = performance.now();
    const { state, view } = look(this.state, localMs, this.options.limits);
    this.state = state;
    return { now: serverNow(state, localMs) ?? Date.now(), view };
  }

  lagMs(): number | null {
    this.readCheckpoints();
    return lagMs(this.state, performance.now());
  }

  streams(): readonly StreamState[] {
    return this.state.contact?.streams ?? [];
  }

  standsAt(): number | undefined {
    const { contact } = this.state;
    return contact?.isStill === true ? contact.serverMs : undefined;
  }

  trouble(): string | undefined {
    return this.failure;
  }

  hasCaughtUp(): boolean {
    this.readCheckpoints();
    return this.state.atEndAt !== undefined;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  /** One question after the other, never two at a time; it never rejects. */
  private async ask(): Promise<void> {
    const startedAt = performance.now();
    this.state = asked(this.state, startedAt);
    try {
      const answer = await this.options.askServer();
      const wayBackMs = Math.min((performance.now() - startedAt) / 2, MAX_WAY_BACK_MS);
      const contact = { ...answer, localMs: startedAt + wayBackMs };
      this.state = answered(this.state, contact, this.options.limits);
      this.failure = undefined;
      this.moment();
    } catch (error) {
      this.failure = messageOf(error);
    }
    if (this.isClosed) return;
    const waitMs = this.failure === undefined ? ASK_EVERY_MS : ASK_AGAIN_MS;
    this.timer = setTimeout(() => void this.ask(), waitMs);
    this.timer.unref();
  }

  private readCheckpoints(): void {
    if (this.state.marks.length === 0) return;
    try {
      const { lane, rows } = this.options.checkpoints();
      const own = rows.filter((row) => row.lane === lane);
      this.state = folded(this.state, own, this.options.followed);
    } catch (error) {
      // No database yet: nothing is folded, so no mark is reached.
      if (!(error instanceof AppError)) throw error;
    }
  }
}

export function startMonitor(options: MonitorOptions): PipelineMonitor {
  return new Monitor(options);
}
