import { createServer } from "node:http";
import type { Server } from "node:http";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Driver } from "../../lib/enforcer/driver.ts";
import { createDockerDriver } from "../../lib/enforcer/docker-driver.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { makeUnitRig } from "./unit-rig.ts";
import type { UnitRig } from "./unit-rig.ts";

const ID = "service/api/main";

/** As much of the Docker Engine API as a driver needs, for one container named api-1. */
class FakeDocker {
  readonly socket = join(makeTempDir("docker"), "docker.sock");
  readonly orders: string[] = [];
  state: Record<string, unknown> = { Running: false, ExitCode: 0, Pid: 0 };
  /** What an order is answered with; 204 unless it is refused. */
  refusal: { readonly status: number; readonly message: string } | undefined;
  pid = 4_000;
  readonly #server: Server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const [, name, what] = /^\/containers\/([^/]+)\/(\w+)/.exec(request.url ?? "") ?? [];
    if (name !== "api-1") return answer(404, { message: `No such container: ${name}` });
    if (what === "json") return answer(200, { Id: "c0ffee", State: this.state });
    if (what === "logs") return response.writeHead(200).end(frame("no database\n"));
    this.orders.push(`${request.method} ${request.url}`);
    if (this.refusal !== undefined) return answer(this.refusal.status, this.refusal);
    if (what === "start") this.run();
    if (what === "stop") this.end(143);
    return response.writeHead(204).end();
  });

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }

  run(more: object = {}): void {
    this.pid += 1;
    const StartedAt = new Date().toISOString();
    this.state = { Running: true, Pid: this.pid, ExitCode: 0, StartedAt, ...more };
  }

  end(ExitCode: number, more: object = {}): void {
    const FinishedAt = new Date().toISOString();
    this.state = { ...this.state, Running: false, Pid: 0, ExitCode, FinishedAt, ...more };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One frame of a container's logs: from stderr, with its length. */
function frame(text: string): Buffer {
  const head = Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function fakeDocker(): Promise<FakeDocker> {
  const docker = await new FakeDocker().open();
  closers.push(async () => await docker.close());
  return docker;
}

async function drive(
  dockerHost: string,
  container = "api-1",
): Promise<{ driver: Driver; rig: UnitRig }> {
  const rig = makeUnitRig(ID, `{ docker: { container: ${container} } }`);
  const driver = createDockerDriver({ ...rig.options, dockerHost });
  closers.push(async () => await driver.close());
  await driver.adopt([rig.entry]);
  return { driver, rig };
}

describe("the docker driver", () => {
  it("starts a container, tells of its process and beats for it", async () => {
    const docker = await fakeDocker();
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    const { runner } = rig.entry;
    expect(driver.observe(runner)).toEqual({ kind: "none" });
    driver.start(rig.entry, 1);
    driver.start(rig.entry, 1);
    await waitFor(() => rig.beating.length === 1);
    expect(driver.observe(runner)).toMatchObject({ kind: "running", pid: 4_001 });
    expect(docker.orders).toEqual(["POST /containers/api-1/start"]);
    expect(rig.told).toMatchObject([
      {
        runner,
        process: { pid: 4_001 },
        report: { event: "spawned", attempt: 1, argv: ["docker", "api-1"] },
      },
    ]);
    expect(rig.beating[0]?.health()).toEqual({ health: "healthy", last_error: "" });
  });

  it("takes a container over that runs already, and stops it when told to", async () => {
    const docker = await fakeDocker();
    docker.run();
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    expect(rig.events()).toEqual(["adopted"]);
    await driver.stop(rig.entry.runner, "asked to");
    expect(docker.orders).toEqual(["POST /containers/api-1/stop?t=10"]);
    expect(rig.events()).toEqual(["adopted", "stopping", "exited"]);
    expect(driver.observe(rig.entry.runner)).toMatchObject({ reason: "exit code 143" });
    expect(rig.beating[0]?.isStopped).toBe(true);
    driver.settle(rig.entry.runner);
    expect(driver.observe(rig.entry.runner)).toEqual({ kind: "none" });
  });

  it.each([
    [3, {}, { exit_code: 3, signal: null, stderr: ["no database"] }, "exit code 3"],
    [137, {}, { exit_code: null, signal: "SIGKILL" }, "SIGKILL"],
    [0, { OOMKilled: true }, { stderr: ["killed: out of memory", "no database"] }, "SIGKILL"],
  ])("sees how a container ends: %d %o", async (code, more, report, reason) => {
    const docker = await fakeDocker();
    docker.run();
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    docker.end(code, more);
    await waitFor(() => rig.events().includes("exited"));
    expect(rig.told.at(-1)?.report).toMatchObject(report);
    expect(driver.observe(rig.entry.runner)).toMatchObject({ kind: "ended", reason });
  });

  it("does not beat for a container that is paused, and passes on that its check fails", async () => {
    const docker = await fakeDocker();
    docker.run({ Health: { Status: "unhealthy" } });
    const { rig } = await drive(`unix://${docker.socket}`);
    const health = () => rig.beating[0]?.health();
    expect(health()).toEqual({ health: "unhealthy", last_error: "Docker's health check fails" });
    docker.state = { ...docker.state, Paused: true };
    await waitFor(() => health() === null || null);
    expect(rig.beating[0]?.isStopped).toBe(false);
  });

  it("follows a container that Docker itself starts anew", async () => {
    const docker = await fakeDocker();
    docker.run();
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    docker.run();
    await waitFor(() => rig.beating.length === 2);
    expect(rig.events()).toEqual(["adopted", "lost", "adopted"]);
    expect(rig.beating.map(({ pid, isStopped }) => [pid, isStopped])).toEqual([
      [4_001, true],
      [4_002, false],
    ]);
    expect(driver.observe(rig.entry.runner)).toMatchObject({ pid: 4_002 });
  });

  it("says that there is no such container, once, and that trying again can't help", async () => {
    const docker = await fakeDocker();
    const { driver, rig } = await drive(`unix://${docker.socket}`, "api-2");
    driver.start(rig.entry, 0);
    await waitFor(() => driver.observe(rig.entry.runner).kind === "ended");
    const text = `Docker has no container "api-2": create it, or correct its name in the fleet file`;
    expect(driver.observe(rig.entry.runner)).toMatchObject({
      reason: `could not be started: ${text}`,
      isPermanent: true,
    });
    await driver.adopt([rig.entry]);
    expect(rig.warnings).toEqual([text]);
  });

  it("says what Docker says where it refuses", async () => {
    const docker = await fakeDocker();
    docker.refusal = { status: 500, message: "port is already allocated" };
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    driver.start(rig.entry, 0);
    await waitFor(() => rig.events().includes("failed"));
    expect(rig.warnings).toEqual([`Docker can't start "api-1" (500): port is already allocated`]);
  });

  it("says that Docker is away, and takes nothing for ended because of it", async () => {
    const docker = await fakeDocker();
    docker.run();
    const { driver, rig } = await drive(`unix://${docker.socket}`);
    await docker.close();
    await waitFor(() => rig.warnings.length > 0);
    expect(rig.warnings[0]).toMatch(/^Docker does not answer at unix:\/\/\S+: start it, or set/);
    expect(driver.observe(rig.entry.runner)).toMatchObject({ kind: "running", pid: 4_001 });
    expect(rig.beating[0]?.health()).toBeNull();
    expect(rig.events()).toEqual(["adopted"]);
  });

  it.skipIf(process.getuid?.() === 0)("says that the socket may not be used", async () => {
    const docker = await fakeDocker();
    chmodSync(docker.socket, 0o000);
    const { rig } = await drive(`unix://${docker.socket}`);
    expect(rig.warnings[0]).toMatch(/may not be used by this user/);
  });

  it("says which addresses it can't reach", async () => {
    const { rig } = await drive("ssh://host");
    expect(rig.warnings).toEqual([expect.stringMatching(/^DOCKER_HOST is ssh:..host, but only/)]);
  });
});
