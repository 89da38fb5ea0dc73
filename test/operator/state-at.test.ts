import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { sequenceAt } from "../../lib/nats/stream-times.ts";
import { openStateAt } from "../../lib/operator/state-at.ts";
import { projections } from "../../projections/index.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { plainFold, tablesOf } from "../support/plain-fold.ts";
import { makeStreams } from "../support/streams.ts";

let nc: NatsConnection;
let jsm: JetStreamManager;
/** Times of the first and the last heartbeat. */
let span: { first: number; last: number };

const RUNNERS = 12;
const ROUNDS = 25;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
  await makeStreams(nc);
  for (let round = 0; round < ROUNDS; round++) await publishRound(round);
  const { firstTime = 0 } = await sequenceAt(jsm, "RUNBEAT_HEARTBEATS", Date.now());
  const { time } = await sequenceAt(jsm, "RUNBEAT_HEARTBEATS", Date.now() + 60_000);
  span = { first: firstTime, last: time };
});

afterAll(async () => {
  await nc.close();
});

/** Every runner beats, another one of them is restarted each round, one message is not one. */
async function publishRound(round: number): Promise<void> {
  const js = jetstream(nc);
  for (let runner = 0; runner < RUNNERS; runner++) {
    const pid = 100 + (round > runner ? 1 : 0);
    const body = {
      pid,
      host: "a",
      seq: round,
      metrics: { round },
      last_error: runner === 3 ? "x" : "",
    };
    await js.publish(`runbeat.hb.camera.c${runner}.hd`, JSON.stringify(body));
  }
  const restarted = round % RUNNERS;
  const event = { v: 1, by: "test", host: "a", started_at: 1_000, pid: 100 + round, attempt: 1 };
  const subject = `runbeat.ev.camera.c${restarted}.hd`;
  await js.publish(`${subject}.process_spawned`, JSON.stringify(event));
  await js.publish(`${subject}.process_exited`, JSON.stringify({ ...event, exit_code: 1 }));
  await js.publish(`runbeat.hb.camera.c0.hd`, "no json");
}

async function stateAt(at: number) {
  return await openStateAt({
    nc,
    prefixes: DEFAULT_PREFIXES,
    projections,
    thresholds: DEFAULT_THRESHOLDS,
    at,
  });
}

test("at any moment, every row of every table is what a slow fold up to that moment gives", async () => {
  const stepMs = Math.max(1, Math.floor((span.last - span.first) / 9));
  for (let at = span.first; at <= span.last; at += stepMs) {
    const state = await stateAt(at);
    expect(tablesOf(state.db, projections)).toEqual(await plainFold(nc, jsm, projections, at));
    state.close();
  }
});

// The last round's restarted runner has ended.
test("statuses are judged by the moment, not by now", async () => {
  const state = await stateAt(span.last);
  const now = state.models.summary(state.moment);
  expect(now).toMatchObject({ total: RUNNERS, status: { online: RUNNERS - 1, offline: 1 } });
  const later = { ...state.moment, now: span.last + 60_000 };
  expect(state.models.summary(later)).toMatchObject({
    status: { online: 0, missing: RUNNERS - 1 },
  });
  state.close();
});

test("a moment that has not come yet is refused, and the server's clock is told", async () => {
  await expect(stateAt(Date.now() + 3_600_000)).rejects.toThrow(
    /has not come yet: the NATS server's clock shows 20/,
  );
});

test("a moment before anything was heard is refused, and it is told since when there is something", async () => {
  await expect(stateAt(span.first - 1)).rejects.toThrow(
    `it is known what was from ${new Date(span.first).toISOString()} on`,
  );
});
