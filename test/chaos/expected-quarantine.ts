/**
 * What the QUARANTINE stream must hold: each message that is left and can't be folded, once. As of
 * snapshots there may be more: rejected messages that a killed server then lost.
 */
import type { JsMsg } from "@nats-io/jetstream";
import { parseRejection } from "../../lib/core/quarantine.ts";
import type { Findings } from "./findings.ts";

export class ExpectedQuarantine {
  expected = 0;
  /** Copies by `stream seq@time`. */
  readonly #rejected = new Map<
    string,
    { copies: number; time: number; reason: string; isMatched: boolean }
  >();
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  takeRejected(message: JsMsg): void {
    const rejection = parseRejection({ headers: message.headers, data: message.data });
    if (rejection === undefined) return this.#findings.add("not a rejection", `${message.seq}`);
    const { sourceStream, sourceSeq, sourceTime, reason } = rejection;
    const time = Date.parse(sourceTime);
    const key = `${sourceStream} ${sourceSeq}@${time}`;
    const known = this.#rejected.get(key);
    if (known === undefined) this.#rejected.set(key, { copies: 1, time, reason, isMatched: false });
    else known.copies += 1;
  }

  /** A message that is left in its stream and can't be folded. */
  takeBad(stream: string, seq: number, time: number, reason: string): void {
    this.expected += 1;
    const found = this.#rejected.get(`${stream} ${seq}@${time}`);
    if (found === undefined)
      return this.#findings.add("not in quarantine", `${stream} ${seq} ${reason}`);
    found.isMatched = true;
    this.#findings.expectEqual(`reason of ${stream} ${seq}`, found.reason, reason);
  }

  countGhosts(isBeforeKill: (time: number) => boolean): number {
    let ghosts = 0;
    for (const [key, { copies, time, isMatched }] of this.#rejected) {
      if (copies > 1) this.#findings.add("in quarantine twice", `${key}: ${copies}`);
      if (isMatched) continue;
      ghosts += 1;
      if (!isBeforeKill(time)) this.#findings.add("in quarantine for nothing", key);
    }
    return ghosts;
  }
}
