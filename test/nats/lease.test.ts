import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holdLease } from "../../lib/nats/lease.ts";
import type { Lease, LeaseGrant, LeaseLoss } from "../../lib/nats/lease.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { waitFor } from "../support/wait-for.ts";

const BUCKET = "RUNBEAT_STATE";
const TTL_MS = 1_500;
/** The server rounds a time to live up to whole seconds. */
const SERVER_TTL_MS = 2_000;

interface Contender {
  readonly nc: NatsConnection;
  readonly lease: Lease;
  readonly grants: LeaseGrant[];
  readonly losses: LeaseLoss[];
}

let server: TestNatsServer;
const contenders: Contender[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  const nc = await connect({ servers: server.url });
  await reconcileStreams(nc, STREAM_OPTIONS);
  await nc.close();
});

afterEach(async () => {
  for (const { nc, lease } of contenders.splice(0)) {
    await lease.stop();
    await nc.close();
  }
  await server.stop();
});

async function contend(holder: string, onLost?: () => Promise<void>): Promise<Contender> {
  const nc = await connect({
    servers: server.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  const grants: LeaseGrant[] = [];
  const losses: LeaseLoss[] = [];
  const lease = await holdLease({
    nc,
    bucket: BUCKET,
    key: "emitter",
    holder,
    ttlMs: TTL_MS,
    log: makeLog().log,
    onAcquired: (grant) => grants.push(grant),
    onLost: async (why) => {
      losses.push(why);
      await onLost?.();
    },
  });
  const contender = { nc, lease, grants, losses };
  contenders.push(contender);
  return contender;
}

async function holderOf(...all: Contender[]): Promise<Contender> {
  return await waitFor(() => all.find(({ lease }) => lease.isHeld()), { what: "a holder" });
}

test("of two contenders exactly one holds the lease, and renewing keeps it", async () => {
  const [a, b] = [await contend("a"), await contend("b")];
  const holder = await holderOf(a, b);
  const other = holder === a ? b : a;
  const from = performance.now();
  await waitFor(() => performance.now() - from > 1.5 * SERVER_TTL_MS, { what: "some renewals" });
  expect([holder.lease.isHeld(), other.lease.isHeld()]).toEqual([true, false]);
  expect([holder.grants.length, other.grants.length]).toEqual([1, 0]);
  expect(holder.losses).toEqual([]);
  expect(other.lease.holder()).toBe(holder === a ? "a" : "b");
});

test("giving it back ends the work first, and the other takes over at once", async () => {
  const order: string[] = [];
  const a = await contend("a", async () => void order.push("a ended"));
  await holderOf(a);
  const b = await contend("b");
  await a.lease.stop();
  expect(a.grants[0]?.signal.aborted).toBe(true);
  expect(a.losses).toEqual(["stopped"]);
  await holderOf(b);
  order.push("b began");
  expect(order).toEqual(["a ended", "b began"]);
  expect(b.grants[0]?.token).toBeGreaterThan(a.grants[0]?.token ?? 0);
});

test("when the holder vanishes the other takes over", async () => {
  const a = await contend("a");
  await holderOf(a);
  const b = await contend("b");
  await a.nc.close();
  await waitFor(() => a.losses.length > 0, { what: "the loss at a" });
  expect(a.lease.isHeld()).toBe(false);
  await holderOf(b);
});

test("a holder that hears nothing from the server stops by its own clock", async () => {
  const a = await contend("a");
  await holderOf(a);
  const from = performance.now();
  process.kill(server.pid, "SIGSTOP");
  await waitFor(() => !a.lease.isHeld(), { what: "the end of the lease" });
  expect(performance.now() - from).toBeLessThanOrEqual(TTL_MS + 200);
  await waitFor(() => a.losses.length > 0, { what: "the loss" });
  expect(a.losses).toEqual(["expired"]);
  process.kill(server.pid, "SIGCONT");
  await holderOf(a);
  expect(a.grants.length).toBe(2);
});

test("a restart of the server within the time to live does not lose the lease", async () => {
  const a = await contend("a");
  await holderOf(a);
  await server.kill9();
  await server.restart();
  const from = performance.now();
  await waitFor(() => performance.now() - from > SERVER_TTL_MS, { what: "some renewals" });
  expect(a.lease.isHeld()).toBe(true);
  expect(a.losses).toEqual([]);
});

test("a lease that another wrote over is lost to it", async () => {
  const a = await contend("a");
  await holderOf(a);
  a.nc.publish(`$KV.${BUCKET}.emitter`, JSON.stringify({ holder: "thief", nonce: "x" }));
  await waitFor(() => a.losses.length > 0, { what: "the loss" });
  expect(a.losses).toEqual(["taken"]);
  expect(a.lease.holder()).toBe("thief");
  expect(a.lease.isHeld()).toBe(false);
});

test("ten contenders that hand over ten times never hold it twice", async () => {
  const all = await Promise.all(Array.from({ length: 10 }, async (_, n) => await contend(`c${n}`)));
  for (let round = 0; round < 10; round++) {
    const holder = await holderOf(...all);
    expect(all.filter(({ lease }) => lease.isHeld())).toHaveLength(1);
    await holder.lease.stop();
    all.splice(all.indexOf(holder), 1);
    if (all.length === 0) break;
  }
  const tokens = contenders.flatMap(({ grants }) => grants.map(({ token }) => token));
  expect(new Set(tokens).size).toBe(10);
});

test("a lease needs its bucket and a time to live of a second", async () => {
  const nc = await connect({ servers: server.url });
  const rest = {
    nc,
    key: "k",
    holder: "h",
    log: makeLog().log,
    onAcquired: () => undefined,
    onLost: () => undefined,
  };
  await expect(holdLease({ ...rest, bucket: "NOPE", ttlMs: 1_000 })).rejects.toThrow(
    /Bucket NOPE can't be used: stream not found/,
  );
  await expect(holdLease({ ...rest, bucket: BUCKET, ttlMs: 999 })).rejects.toThrow(/too short/);
  const jsm = await jetstreamManager(nc);
  expect((await jsm.streams.info(`KV_${BUCKET}`)).state.messages).toBe(0);
  await nc.close();
});
