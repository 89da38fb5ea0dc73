/**
 * Takes runners that nobody declared off the lists when they have been gone for long, and puts
 * them back when they beat again: what came by itself goes by itself.
 */
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { eventBody } from "../core/event.ts";
import type { Moment, ReadModels, RunnerFacts } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { statusOf } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import { eventSubject } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";

const ACK_MS = 2_000;
/** Of one look; the rest waits for the next. */
const MAX_AT_ONCE = 100;
const COMPONENT = "sentinel@";

type Verdict = "runner_retired" | "runner_resumed";

export interface RetiringDeskOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  readonly by: string;
  readonly models: Pick<ReadModels, "watch" | "timeline">;
  readonly retireAfterSec: number;
  readonly log: Pick<Logger, "debug">;
}

export class RetiringDesk {
  readonly #options: RetiringDeskOptions;
  /** What was published and may not be folded yet. */
  readonly #done = new Set<string>();

  constructor(options: RetiringDeskOptions) {
    this.#options = options;
  }

  look(moment: Moment): void {
    const { models, retireAfterSec, log } = this.#options;
    if (retireAfterSec === 0 || moment.view.blindSince !== null) return;
    const found: { facts: RunnerFacts; type: Verdict; at: number }[] = [];
    try {
      models.watch(moment, (facts, status) => {
        if (found.length === MAX_AT_ONCE || isExpected(facts)) return;
        const type = this.#due(facts, status, moment);
        if (type !== undefined)
          found.push({ facts, type, at: facts.liveness.lastHeartbeatAt ?? 0 });
      });
    } catch (error) {
      log.debug(`nobody is retired now: ${messageOf(error)}`);
    }
    for (const { facts, type, at } of found)
      this.#publish(facts.runner as RunnerId, type, at, moment);
  }

  #due(facts: RunnerFacts, status: Status, { now, view }: Moment): Verdict | undefined {
    const isRetired = facts.restart?.retired === 1;
    if (isRetired) return status === "online" ? "runner_resumed" : undefined;
    if (status !== "offline") return undefined;
    const { since } = statusOf(facts.liveness, now, facts.thresholds, view);
    return now - since >= this.#options.retireAfterSec * 1_000 ? "runner_retired" : undefined;
  }

  #publish(runner: RunnerId, type: Verdict, at: number, { now }: Moment): void {
    const msgID = `${type} ${runner} ${at}`;
    if (this.#done.has(msgID)) return;
    if (type === "runner_resumed" && !this.#wasOurs(runner)) return;
    const { nc, prefixes, by, log } = this.#options;
    const reason =
      type === "runner_retired" ? "offline for long, and in no fleet file" : "it beats again";
    const body = JSON.stringify(eventBody(type, by, now, { reason }));
    this.#done.add(msgID);
    jetstream(nc, { timeout: ACK_MS })
      .publish(eventSubject(prefixes, runner, type), body, { msgID })
      .catch((error: unknown) => {
        this.#done.delete(msgID);
        log.debug({ runner }, `${type} was not stored: ${messageOf(error)}`);
      });
  }

  /** Whom a person retired stays retired, whatever it does. */
  #wasOurs(runner: RunnerId): boolean {
    const query = { runner, types: ["runner_retired"], limit: 1, after: undefined };
    const page = this.#options.models.timeline({ ...query, from: undefined, to: undefined });
    return page.items[0]?.by.startsWith(COMPONENT) ?? false;
  }
}

/** Somebody declared or registered it: whether it is gone for good is not ours to say. */
function isExpected({ declared, restart }: RunnerFacts): boolean {
  return declared !== undefined || (restart?.registered_at ?? null) !== null;
}
