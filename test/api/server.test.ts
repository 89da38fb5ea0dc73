import { request } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Hono } from "hono";
import { serveApi } from "../../lib/api/server.ts";
import type { RunningServer } from "../../lib/api/server.ts";
import { apiFixture, HEARTBEAT_KEY } from "./api-fixture.ts";

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing.close();
});

async function serve(app: Hono, port = 0): Promise<RunningServer> {
  const server = await serveApi(app, { host: "127.0.0.1", port });
  opened.push(server);
  return server;
}

async function serveReal(): Promise<RunningServer> {
  const api = await apiFixture();
  opened.push(api);
  return await serve(api.app);
}

/** Sends bytes as they are and gives back everything that comes until the server hangs up. */
async function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    let answer = "";
    const socket: Socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.once("close", () => resolve(answer));
    socket.once("error", reject);
  });
}

describe("the server", () => {
  it("answers on a real socket", async () => {
    const { url } = await serveReal();
    const response = await fetch(`${url}/api/v1/runners`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ items: [] });
  });

  it("says clearly that its port is taken", async () => {
    const { url } = await serve(new Hono());
    const port = Number(new URL(url).port);
    await expect(serveApi(new Hono(), { host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(new RegExp(`port ${port} is taken.*RUNBEAT_HTTP_PORT`)),
    });
  });

  it("says clearly that it has no such address", async () => {
    await expect(serveApi(new Hono(), { host: "203.0.113.7", port: 0 })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("has no address 203.0.113.7"),
    });
  });

  it("lets requests under way finish, takes no more, and is gone", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let arrived = (): void => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const app = new Hono().get("/slow", async (c) => {
      arrived();
      await held;
      return c.text("done");
    });
    const server = await serveApi(app, { host: "127.0.0.1", port: 0 });
    const slow = fetch(`${server.url}/slow`);
    await isThere;
    const closing = server.close();
    await expect(fetch(`${server.url}/slow`)).rejects.toThrow("fetch failed");
    release();
    expect(await (await slow).text()).toBe("done");
    await closing;
  });

  it("refuses a body that says it is too long, without reading it, and hangs up", async () => {
    const { url } = await serveReal();
    const head = [
      "POST /api/runner/heartbeat/ HTTP/1.1",
      "Host: x",
      `X-BISK-KEY: ${HEARTBEAT_KEY}`,
      "Content-Type: application/json",
      "Content-Length: 100000000",
      "",
      "{",
    ].join("\r\n");
    const answer = await exchange(url, head);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('"code":"too_large"');
  });

  it("refuses a body in chunks once it is too long", async () => {
    const { url } = await serveReal();
    const { hostname, port } = new URL(url);
    const status = await new Promise<number>((resolve, reject) => {
      const headers = { "x-bisk-key": HEARTBEAT_KEY, "content-type": "application/json" };
      const path = "/api/runner/heartbeat/";
      const call = request({ hostname, port, path, method: "POST", headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.once("error", reject);
      for (let index = 0; index < 20; index++) call.write("x".repeat(10_000));
      call.end();
    });
    expect(status).toBe(413);
  });

  it("survives requests that are none", async () => {
    const { url } = await serveReal();
    expect(await exchange(url, "GARBAGE\r\n\r\n")).toMatch(/^HTTP\/1.1 400/);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/api/v1/runners/%E0%A4%A/x/y`)).status).toBe(404);
    expect((await fetch(`${url}/api/v1/runners?q=%E0%A4%A`)).status).toBe(200);
  });
});
