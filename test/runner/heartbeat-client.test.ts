import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import type { AppError } from "../../lib/core/errors.ts";
import { startHeartbeat } from "../../lib/runner/client.ts";
import type { HeartbeatHandle, HeartbeatOptions } from "../../lib/runner/client.ts";
import { ownStartedAt } from "../../lib/runner/process-identity.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

type Body = Record<string, unknown>;

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function begin(options: HeartbeatOptions): HeartbeatHandle {
  const handle = startHeartbeat(options);
  closers.push(async () => await handle.stop());
  return handle;
}

async function listen(nc: NatsConnection, subject = "runbeat.hb.>"): Promise<Body[]> {
  const bodies: Body[] = [];
  nc.subscribe(subject, { callback: (_, message) => void bodies.push(message.json()) });
  await nc.flush();
  return bodies;
}

async function open(url: string, options: object = {}): Promise<NatsConnection> {
  const nc = await connect({ servers: url, reconnectTimeWait: 50, ...options });
  closers.push(async () => await nc.close());
  return nc;
}

describe("startHeartbeat", () => {
  it("beats at once and then every interval, with the fields that every heartbeat has", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    begin({ runner: "process/bidder/default", url: server.url, intervalSec: 0.2 });

    await waitFor(() => bodies.length >= 3);

    const [first] = bodies;
    expect(first).toMatchObject({
      v: 1,
      runner: "process/bidder/default",
      pid: process.pid,
      seq: 0,
      interval_sec: 0.2,
      started_at: new Date(ownStartedAt()).toISOString(),
    });
    expect(bodies.map((body) => body["seq"])).toEqual(bodies.map((_, index) => index));
    expect(decodeHeartbeatBody("process/bidder/default", first)).toMatchObject({ ok: true });
  });

  it("sends the heavy part at most as often as it is told, and the core each time", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    begin({
      runner: "worker/w1/default",
      url: server.url,
      intervalSec: 0.1,
      snapshotEverySec: 0.35,
      collect: () => ({ health: "healthy", metrics: { tokens: 3 }, checks: { redis_ok: true } }),
    });

    await waitFor(() => bodies.length >= 9);

    const heavyAt = bodies
      .filter((body) => "metrics" in body)
      .map((body) => Date.parse(String(body["ts"])));
    expect(heavyAt.length).toBeGreaterThanOrEqual(2);
    expect(heavyAt.length).toBeLessThanOrEqual(3);
    const gaps = heavyAt.slice(1).map((at, index) => at - (heavyAt[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(345);
    expect(bodies.every((body) => body["health"] === "healthy")).toBe(true);
    expect(bodies[0]).toMatchObject({ metrics: { tokens: 3 }, checks: { redis_ok: true } });
  });

  it("beats on demand, keeps what is set, and sends once what is said once", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    const handle = begin({ runner: "worker/w1/default", url: server.url, intervalSec: 60 });
    await waitFor(() => bodies.length === 1);

    handle.set({ fps: 12 });
    handle.beat({ last_error: "cannot reach rtsp://me:secret@10.0.0.7/a" });
    await waitFor(() => bodies.length === 2);
    handle.beat();
    await waitFor(() => bodies.length === 3);

    expect(bodies[1]).toMatchObject({ fps: 12, last_error: "cannot reach rtsp://***@10.0.0.7/a" });
    expect(bodies[2]).toMatchObject({ fps: 12 });
    expect(bodies[2]).not.toHaveProperty("last_error");
  });

  it("skips a heartbeat when its collector has nothing to say", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    let isStopped = true;
    begin({
      runner: "worker/w1/default",
      url: server.url,
      intervalSec: 0.1,
      collect: () => (isStopped ? null : {}),
    });
    const nc = await open(server.url);
    await nc.flush();
    await waitFor(() => nc.stats().inMsgs === 0 && performance.now() > 0);
    isStopped = false;
    await waitFor(() => bodies.length >= 1);
    expect(bodies[0]).toMatchObject({ seq: 0 });
  });

  it("leaves out what the pipeline would refuse, says so once, and beats on", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    const errors: string[] = [];
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    begin({
      runner: "worker/w1/default",
      url: server.url,
      intervalSec: 0.1,
      snapshotEverySec: 0,
      collect: () => ({ fps: Number.NaN, detail: loop, latency_ms: 4 }),
      onError: (error) => errors.push(error.message),
    });

    await waitFor(() => bodies.length >= 3);

    expect(bodies[2]).toMatchObject({ latency_ms: 4 });
    expect(bodies[2]).not.toHaveProperty("fps");
    expect(bodies[2]).not.toHaveProperty("detail");
    expect(errors).toHaveLength(2);
    expect(errors.join()).toMatch(/fps is NaN/);
  });

  it("goes out without its heavy part where it would be too long", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    const errors: AppError[] = [];
    begin({
      runner: "worker/w1/default",
      url: server.url,
      collect: () => ({ fps: 5, detail: { text: "x".repeat(20_000) } }),
      onError: (error) => errors.push(error),
    });

    await waitFor(() => bodies.length === 1);

    expect(bodies[0]).toMatchObject({ fps: 5 });
    expect(bodies[0]).not.toHaveProperty("detail");
    expect(errors[0]?.message).toMatch(/at most 16384/);
  });

  it("beats although its collector throws or never comes back", async () => {
    const server = await startNatsServer();
    const bodies = await listen(await open(server.url));
    const errors: AppError[] = [];
    const never = new Promise<never>(() => {});
    let calls = 0;
    begin({
      runner: "worker/w1/default",
      url: server.url,
      intervalSec: 0.1,
      collect: () => {
        if (calls++ === 0) throw new Error("sensor gone");
        return never;
      },
      onError: (error) => {
        errors.push(error);
        throw new Error("the host's own mistake");
      },
    });

    await waitFor(() => bodies.length >= 2);
    expect(errors.map((error) => error.message).join()).toMatch(/sensor gone.*not done within/);
  });

  it("beats right after an outage with the newest figures, and keeps nothing of the time between", async () => {
    const server = await startNatsServer();
    const errors: AppError[] = [];
    let figure = 0;
    let missed = 0;
    begin({
      runner: "camera/door/hd",
      url: server.url,
      intervalSec: 0.1,
      collect: () => {
        if (figure === 7) missed += 1;
        return { detected: figure };
      },
      onError: (error) => errors.push(error),
    });
    const live = await listen(await open(server.url));
    await waitFor(() => live.length >= 2);

    await server.stop();
    await waitFor(() => errors.length > 0);
    const before = [...live];
    figure = 7;
    await waitFor(() => missed >= 2);
    await server.restart();
    const after = await listen(await open(server.url));
    await waitFor(() => after.length >= 1);

    expect(after[0]).toMatchObject({ detected: 7 });
    expect(after[0]?.["seq"]).toBeGreaterThan(Number(before.at(-1)?.["seq"]) + 1);
    // That it was closed, and that it refuses: each reason once.
    expect(errors.every(({ code }) => code === "unavailable")).toBe(true);
    expect(new Set(errors.map(({ message }) => message)).size).toBe(errors.length);
  });

  it("notices a server that takes the connection and never answers", async () => {
    const sockets = new Set<import("node:net").Socket>();
    const mute = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closers.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => mute.close(resolve));
    });
    const errors: AppError[] = [];
    begin({
      runner: "worker/w1/default",
      url: `nats://127.0.0.1:${(mute.address() as AddressInfo).port}`,
      onError: (error) => errors.push(error),
    });
    await waitFor(() => errors.length > 0);
    expect(errors[0]?.message).toMatch(/no answer within 2000 ms/);
    await waitFor(() => sockets.size >= 2);
  });

  it("needs no more than the right to publish its own subject", async () => {
    const server = await startNatsServer({
      config: `authorization { users: [
        { user: runner, password: "p@ss", permissions: {
            publish: ["runbeat.hb.camera.cam1.hd"], subscribe: ["_INBOX_cam1.>"] } }
        { user: reader, password: reader }
      ] }`,
    });
    const bodies = await listen(await open(server.url, { user: "reader", pass: "reader" }));
    const errors: AppError[] = [];
    const url = server.url.replace("://", "://runner:p%40ss@");
    begin({ runner: "camera/cam1/hd", url, intervalSec: 0.1, onError: (e) => errors.push(e) });
    await waitFor(() => bodies.length >= 2);
    expect(errors).toEqual([]);

    begin({ runner: "camera/cam2/hd", url, intervalSec: 0.1, onError: (e) => errors.push(e) });
    await waitFor(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: "forbidden" });
    expect(errors[0]?.message).toMatch(/Permissions Violation.*cam2/);
  });

  it("says that its login is refused, without the password, and goes on trying", async () => {
    const server = await startNatsServer({ config: `authorization { token: "right" }` });
    const errors: AppError[] = [];
    const options = { runner: "worker/w1/default", onError: (e: AppError) => errors.push(e) };
    begin({ ...options, url: server.url.replace("://", "://very-wrong@") });
    await waitFor(() => errors.length > 0);
    expect(errors[0]).toMatchObject({ code: "forbidden" });
    expect(errors[0]?.message).toMatch(/Authorization Violation/);
    expect(errors[0]?.message).not.toMatch(/very-wrong/);
  });

  it.each([
    [{ runner: "nonsense" }, /"nonsense" is not a runner/],
    [{}, /No runner is given/],
    [{ runner: "worker/a/b", url: "ftp://x" }, /"ftp:\/\/x", which is no server/],
    [{ runner: "worker/a/b", url: "http://" }, /not a heartbeat address/],
    [{ runner: "worker/a/b", intervalSec: 0 }, /intervalSec is 0/],
    [{ runner: "worker/a/b", snapshotEverySec: -1 }, /snapshotEverySec is -1/],
    [{ runner: "worker/a/b", prefix: "a b" }, /prefix is "a b"/],
  ] satisfies [HeartbeatOptions, RegExp][])(
    "does nothing for %o but say why",
    async (options, why) => {
      const errors: AppError[] = [];
      const handle = begin({ ...options, onError: (error) => errors.push(error) });
      handle.beat();
      handle.set({ fps: 1 });
      await handle.stop();
      expect(errors.map((error) => error.code)).toEqual(["invalid"]);
      expect(errors[0]?.message).toMatch(why);
    },
  );
});

describe("startHeartbeat over HTTP", () => {
  it("posts to the route for every runner, one request at a time, and comes back after a failure", async () => {
    const posts: { path: string | undefined; headers: IncomingHttpHeaders; body: Body }[] = [];
    let isBroken = true;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as Body;
        posts.push({ path: request.url, headers: request.headers, body });
        response.writeHead(isBroken ? 503 : 202).end("{}");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const errors: AppError[] = [];
    const { port } = server.address() as AddressInfo;
    begin({
      runner: "worker/w1/default",
      url: `http://127.0.0.1:${port}/api/runner/heartbeat/`,
      key: "dev-key",
      intervalSec: 0.2,
      onError: (error) => errors.push(error),
    });
    await waitFor(() => errors.length === 1);
    expect(errors[0]?.message).toMatch(/HTTP 503/);
    isBroken = false;
    await waitFor(() => posts.length >= 4);
    expect(posts[0]).toMatchObject({
      path: "/api/v1/heartbeats",
      headers: { authorization: "Bearer dev-key" },
      body: { runner: "worker/w1/default", pid: process.pid },
    });
    expect(errors).toHaveLength(1);
  });
});
