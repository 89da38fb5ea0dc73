/**
 * Publishes each change of a status once. Every `status_changed` names the one before it on its
 * subject, so two sentinels that both believe to be elected can't tell one change twice: the
 * server refuses whoever comes second, and that one reads again what was told.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { eventBody } from "../core/event.ts";
import type { Moment, RunnerFacts } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { statusOf } from "../core/status.ts";
import type { Status, StatusAnswer } from "../core/status.ts";
import { eventSubject } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { formatTime } from "../core/time.ts";
import { PublishWindow } from "../nats/publish-window.ts";
import type { Refusal } from "../nats/publish-window.ts";
import { readTold, readToldOf, TOLD_TYPE } from "./told-statuses.ts";
import type { Told } from "./told-statuses.ts";

/** Changes on their way; what is beyond waits for the next look. */
const MAX_IN_FLIGHT = 2_000;
const ACK_TIMEOUT_MS = 2_000;
/** The stream's last message of the subject is another than we named. Source: nats-server's errors.json. */
const OVERTAKEN = 10_071;
const UNTOLD: Told = { status: "unknown", seq: 0 };

export interface StatusTellerOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  /** Which component on which host, e.g. `sentinel@edge-1`. */
  readonly by: string;
  readonly log: Pick<Logger, "warn" | "debug">;
  /** Told of each change that is stored now, and of its time on the NATS server's clock. */
  readonly onTold: (runner: string, from: Status, to: Status, at: number) => void;
}

interface Change {
  readonly runner: string;
  readonly from: Status;
  readonly to: Status;
  readonly at: number;
}

export class StatusTeller {
  readonly #options: StatusTellerOptions;
  readonly #told: Map<string, Told>;
  /** Runners whose change is on its way. */
  readonly #pending = new Set<string>();
  #window: PublishWindow<Change>;
  #isClosed = false;

  private constructor(options: StatusTellerOptions, told: Map<string, Told>) {
    this.#options = options;
    this.#told = told;
    this.#window = this.#openWindow();
  }

  /** Reads what was told so far. @throws AppError `unavailable` where the stream can't be read. */
  static async open(options: StatusTellerOptions): Promise<StatusTeller> {
    return new StatusTeller(options, await readTold(options));
  }

  /** Looks at one runner, and tells of its status where it is another than the one last told. */
  look(facts: RunnerFacts, status: Status, { now, view }: Moment): void {
    if (facts.restart?.retired === 1) return;
    const told = this.#told.get(facts.runner);
    // That we can't tell is no change of the runner's; see the pipeline's alert.
    if (status === "unknown" || status === told?.status) return;
    if (isOursAlone(facts, status) && told !== undefined) return;
    if (this.#pending.has(facts.runner) || this.#window.inFlight >= MAX_IN_FLIGHT) return;
    const answer = statusOf(facts.liveness, now, facts.thresholds, view);
    if (answer.status === status) this.#tell(facts.runner as RunnerId, told ?? UNTOLD, answer, now);
  }

  close(): void {
    this.#isClosed = true;
    this.#window.close();
  }

  #openWindow(): PublishWindow<Change> {
    return new PublishWindow<Change>({
      nc: this.#options.nc,
      ackTimeoutMs: ACK_TIMEOUT_MS,
      onStored: (change, seq) => this.#stored(change, seq),
      onRefused: (change, refusal) => this.#refused(change, refusal),
      onSilence: (why) => this.#silent(why),
    });
  }

  #tell(runner: RunnerId, told: Told, answer: StatusAnswer, now: number): void {
    const { prefixes, by } = this.#options;
    const { status: to, cause, since } = answer;
    const from = told.status;
    const header = headers();
    // The same change gets the same id, whoever tells it and however often.
    header.set("Nats-Msg-Id", `${TOLD_TYPE} ${runner} ${told.seq} ${to}`);
    header.set("Nats-Expected-Last-Subject-Sequence", String(told.seq));
    const body = eventBody(TOLD_TYPE, by, now, { from, to, cause, since: formatTime(since) });
    this.#pending.add(runner);
    const subject = eventSubject(prefixes, runner, TOLD_TYPE);
    this.#window.send({ runner, from, to, at: now }, subject, JSON.stringify(body), header);
  }

  #stored({ runner, from, to, at }: Change, seq: number): void {
    this.#pending.delete(runner);
    this.#told.set(runner, { status: to, seq });
    this.#options.onTold(runner, from, to, at);
  }

  #refused({ runner }: Change, { code, text }: Refusal): void {
    if (code === OVERTAKEN) void this.#readAgain(runner as RunnerId);
    else {
      this.#options.log.warn({ runner, code }, `a change of status was not stored: ${text}`);
      this.#pending.delete(runner);
    }
  }

  async #readAgain(runner: RunnerId): Promise<void> {
    try {
      const told = await readToldOf(this.#options, runner);
      if (told === undefined) this.#told.delete(runner);
      else this.#told.set(runner, told);
    } catch (error) {
      this.#options.log.debug({ runner }, `what was told can't be read: ${messageOf(error)}`);
    }
    this.#pending.delete(runner);
  }

  /** Whether they were stored is not known: the same are sent again, under the same ids. */
  #silent(why: string): void {
    this.#options.log.debug(`changes of status are sent again: ${why}`);
    this.#window.close();
    this.#pending.clear();
    if (!this.#isClosed) this.#window = this.#openWindow();
  }
}

/**
 * A declared runner that nobody ever heard of is given time from when we began to look for it:
 * where the next sentinel begins anew, nothing has happened to the runner.
 */
function isOursAlone({ liveness }: RunnerFacts, status: Status): boolean {
  const { spawnedAt, lastHeartbeatAt } = liveness;
  return status === "starting" && spawnedAt === null && lastHeartbeatAt === null;
}
