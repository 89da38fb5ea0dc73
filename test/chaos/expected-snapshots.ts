/**
 * What the SNAPSHOTS stream must hold, by the pure rule over the heartbeats that are left.
 *
 * HEARTBEATS may lose its last moments with a killed server, SNAPSHOTS as well, and each its own.
 * So a snapshot may be left of which the heartbeat is gone: a ghost. It was right when it was
 * taken, and it stays: it opens the runner's window at its time like any other snapshot, and later
 * heartbeats are kept or not accordingly. Therefore the rule is: per runner, in the order of stream
 * time, apply `sample` to the heartbeats that are left, with the state that follows from those kept
 * before and from ghosts. Exactly those that it keeps have a snapshot, each once, and each says what
 * its heartbeat said. A ghost is believed only if its heartbeat is from the last moments before a
 * kill of the server.
 */
import type { JsMsg } from "@nats-io/jetstream";
import type { Heartbeat } from "../../lib/core/heartbeat.ts";
import { sample, snapshotBody } from "../../lib/core/snapshot.ts";
import type { SampleState } from "../../lib/core/snapshot.ts";
import type { Findings } from "./findings.ts";

interface Kept {
  readonly heartbeatSeq: number;
  /** Stream time of the heartbeat, epoch ms. */
  readonly ts: number;
  readonly body: string;
  copies: number;
  isMatched: boolean;
}

interface RunnerState {
  readonly kept: Map<string, Kept>;
  /** By time; those before `next` count in `state`. */
  readonly inOrder: Kept[];
  next: number;
  state: SampleState | undefined;
}

const SUBJECT_PREFIX = "runbeat.snap.";

export class ExpectedSnapshots {
  expected = 0;
  readonly #everySec: number;
  readonly #runners = new Map<string, RunnerState>();
  readonly #findings: Findings;

  constructor(everySec: number, findings: Findings) {
    this.#everySec = everySec;
    this.#findings = findings;
  }

  /** All of the SNAPSHOTS stream comes before the first heartbeat. */
  takeSnapshot(message: JsMsg): void {
    const body = message.string();
    const { ts, heartbeat_seq: heartbeatSeq } = JSON.parse(body) as {
      ts: string;
      heartbeat_seq: number;
    };
    const runner = this.#runner(message.subject.slice(SUBJECT_PREFIX.length).replaceAll(".", "/"));
    const key = `${heartbeatSeq}@${Date.parse(ts)}`;
    const known = runner.kept.get(key);
    if (known !== undefined) {
      known.copies += 1;
      return;
    }
    const kept = { heartbeatSeq, ts: Date.parse(ts), body, copies: 1, isMatched: false };
    runner.kept.set(key, kept);
    const last = runner.inOrder.at(-1);
    if (last !== undefined && last.ts > kept.ts) {
      this.#findings.add("snapshot out of order", `${message.subject} ${message.seq}`);
    }
    runner.inOrder.push(kept);
  }

  takeHeartbeat(id: string, seq: number, time: number, heartbeat: Heartbeat): void {
    const runner = this.#runner(id);
    this.#passGhosts(runner, time);
    const found = runner.kept.get(`${seq}@${time}`);
    const cause = sample(runner.state, heartbeat, time, this.#everySec);
    if (found !== undefined) found.isMatched = true;
    if (cause === undefined) {
      if (found !== undefined) this.#findings.add("snapshot too many", `${id} ${seq}`);
      return;
    }
    this.expected += 1;
    runner.state = { keptAt: time };
    if (found === undefined)
      return this.#findings.add("snapshot missing", `${id} ${seq} (${cause})`);
    const body = JSON.stringify(snapshotBody({ ts: time, heartbeatSeq: seq, heartbeat }));
    if (found.body !== body) this.#findings.add("snapshot differs", `${id} ${seq}: ${found.body}`);
  }

  /** Snapshots whose heartbeats are gone: how many, after checking that a kill explains them. */
  countGhosts(isBeforeKill: (time: number) => boolean): number {
    let ghosts = 0;
    for (const [id, { kept }] of this.#runners) {
      for (const { isMatched, ts, heartbeatSeq, copies } of kept.values()) {
        if (copies > 1) this.#findings.add("snapshot twice", `${id} ${heartbeatSeq}: ${copies}`);
        if (isMatched) continue;
        ghosts += 1;
        if (isBeforeKill(ts)) continue;
        this.#findings.add("snapshot of nothing", `${id} ${heartbeatSeq} at ${ts}`);
      }
    }
    return ghosts;
  }

  #passGhosts(runner: RunnerState, time: number): void {
    for (;;) {
      const kept = runner.inOrder[runner.next];
      if (kept === undefined || kept.ts >= time) return;
      if (!kept.isMatched) runner.state = { keptAt: kept.ts };
      runner.next += 1;
    }
  }

  #runner(id: string): RunnerState {
    let runner = this.#runners.get(id);
    if (runner === undefined) {
      runner = { kept: new Map(), inOrder: [], next: 0, state: undefined };
      this.#runners.set(id, runner);
    }
    return runner;
  }
}
