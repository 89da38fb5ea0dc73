import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { hear, runbeat } from "./runbeat-process.ts";
import type { Body, Heard } from "./runbeat-process.ts";

let server: TestNatsServer;
let heard: Heard;

beforeAll(async () => {
  server = await startNatsServer();
  const nc = await connect({ servers: server.url });
  await makeStreams(nc);
  await nc.close();
  heard = await hear(server.url);
});

afterAll(async () => await heard.close());

/** Runs a shell script under `runbeat run`, as a runner of its own. */
async function run(name: string, script: string, flags: string[] = [], stdin = "") {
  const args = ["run", "--runner", `process/${name}/default`, ...flags, "--", "sh", "-c", script];
  return await runbeat(args, { NATS_URL: server.url }, stdin);
}

function beatsOf(name: string): Body[] {
  return heard.beats.filter(({ runner }) => runner === `process/${name}/default`);
}

describe("runbeat run", () => {
  it("passes input, output and the exit code on", async () => {
    const process = await run("passing", "cat; echo out; echo err >&2; exit 7", [], "in\n");
    expect(await process.ended).toEqual({ code: 7, signal: null });
    expect(process.output()).toEqual({ stdout: "in\nout\n", stderr: "err\n" });
  });

  it("ends by the signal that ended its command", async () => {
    const process = await run("signalled", "kill -TERM $$; sleep 100");
    expect(await process.ended).toEqual({ code: null, signal: "SIGTERM" });
  });

  it("gives 127 for a command that there is none of", async () => {
    const args = ["run", "--runner", "process/none/default", "--", "/no/such/program"];
    const process = await runbeat(args, { NATS_URL: server.url });
    expect((await process.ended).code).toBe(127);
    expect(process.output().stderr).toMatch(/no\/such\/program/);
  });

  it("hands signals to its command, which may take its time", async () => {
    const script = `trap 'echo hup' HUP; trap 'sleep 0.5; echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done`;
    const process = await run("trapping", script);
    await waitFor(() => process.output().stdout.includes("up"));
    process.child.kill("SIGHUP");
    await waitFor(() => process.output().stdout.includes("hup"));
    process.child.kill("SIGTERM");
    expect(await process.ended).toEqual({ code: 3, signal: null });
    expect(process.output().stdout).toContain("bye");
  });

  it("beats with the command's own pid, start, processor time and memory", async () => {
    const process = await run("beating", "echo $$; exec sleep 100", ["--interval", "0.2"]);
    const beats = await waitFor(() => (beatsOf("beating").length >= 3 ? beatsOf("beating") : null));
    const pid = Number(process.output().stdout);
    expect(beats[0]).toMatchObject({ pid, interval_sec: 0.2, health: "healthy" });
    expect(beats[0]?.["resources"]).toMatchObject({ memory_mb: expect.any(Number) as number });
    expect(Math.abs(Date.parse(String(beats[0]?.["started_at"])) - Date.now())).toBeLessThan(
      20_000,
    );
    process.child.kill("SIGTERM");
    await process.ended;
  });

  it("does not beat for a command that is stopped, and does again when it goes on", async () => {
    const process = await run("stopped", "echo $$; exec sleep 100", ["--interval", "0.1"]);
    await waitFor(() => beatsOf("stopped").length >= 2);
    const pid = Number(process.output().stdout);
    globalThis.process.kill(pid, "SIGSTOP");
    const silentAt = await waitFor(
      () => lastBeatAgeMs("stopped") > 500 && beatsOf("stopped").length,
    );
    globalThis.process.kill(pid, "SIGCONT");
    await waitFor(() => beatsOf("stopped").length > silentAt);
    process.child.kill("SIGTERM");
    await process.ended;
  });

  it("tells of its command's life, with its last words and without its secrets", async () => {
    const script =
      "echo connecting to rtsp://me:s3cret@cam/1 >&2; echo password=s3cret >&2; exit 9";
    const process = await run("telling", script, []);
    await process.ended;
    const events = await waitFor(() => {
      const own = heard.events.filter(({ body }) => body["host"] !== undefined);
      const exited = own.filter(({ body }) => body["exit_code"] === 9);
      return exited.length === 1 ? own : undefined;
    });
    const exited = events.find(({ body }) => body["exit_code"] === 9)?.body;
    const spawned = events.find(
      ({ type, body }) => type === "process_spawned" && body["pid"] === exited?.["pid"],
    );
    expect(spawned?.body).toMatchObject({ argv: ["sh", "-c", expect.any(String)], attempt: 0 });
    expect(exited).toMatchObject({
      by: expect.stringMatching(/^run@/) as string,
      signal: null,
      stderr: ["connecting to rtsp://***@cam/1", "password=***"],
      started_at: spawned?.body["started_at"],
    });
    expect(JSON.stringify([spawned, exited])).not.toContain("s3cret");
  });

  it("leaves nothing of its command behind, neither at its end nor when it is killed", async () => {
    const folder = makeTempDir("left");
    const leaving = await run("leaving", `sleep 100 & echo $! > ${folder}/a`);
    await leaving.ended;
    expect(isProcessAlive(Number(readFileSync(join(folder, "a"), "utf8")))).toBe(false);

    const killed = await run("killed", `sleep 100 & echo $! > ${folder}/b; echo $$; wait`);
    await waitFor(() => killed.output().stdout.includes("\n"));
    killed.child.kill("SIGKILL");
    await waitFor(() => !isProcessAlive(Number(killed.output().stdout)));
    await waitFor(() => !isProcessAlive(Number(readFileSync(join(folder, "b"), "utf8"))));
  });

  it("runs its command although NATS is away, and ends soon after it", async () => {
    const args = ["run", "--runner", "process/alone/default", "--", "sh", "-c", "echo done"];
    const process = await runbeat(args, { NATS_URL: "nats://127.0.0.1:1" });
    expect(await process.ended).toEqual({ code: 0, signal: null });
    expect(process.output().stdout).toBe("done\n");
  });

  it("is unhealthy while its probe fails", async () => {
    let status = 503;
    const probed = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((resolve) => probed.listen(0, "127.0.0.1", resolve));
    const { port } = probed.address() as AddressInfo;
    const flags = ["--probe-http", `http://127.0.0.1:${port}/`, "--probe-every", "0.1"];
    const process = await run("probed", "exec sleep 100", [...flags, "--interval", "60"]);
    await waitFor(() => beatsOf("probed").some(({ health }) => health === "unhealthy"));
    const bad = beatsOf("probed").find(({ health }) => health === "unhealthy");
    expect(bad?.["last_error"]).toBe(`Probe failed: http://127.0.0.1:${port}/ answers 503`);
    status = 200;
    await waitFor(() => beatsOf("probed").at(-1)?.["health"] === "healthy");
    process.child.kill("SIGTERM");
    await process.ended;
    probed.closeAllConnections();
    await new Promise((resolve) => probed.close(resolve));
  });

  it.each([
    [["run", "--runner", "process/a/b"], /Which command\? Write it after --/],
    [["run", "--runner", "nonsense", "--", "true"], /"nonsense" is not a runner/],
    [["run", "--", "true"], /--runner/],
    [["run", "--runner", "process/a/b", "--interval", "0", "--", "true"], /number of seconds/],
    [["run", "--runner", "process/a/b", "--supervised"], /--supervised is for runners/],
    [["runner", "process/a/b", "--url", "x"], /is no camera: run a command with runbeat run/],
    [["runner", "camera/a/b"], /The fleet file has no runner camera\/a\/b/],
  ])("%j is wrong usage, said in one line", async (args, message) => {
    const process = await runbeat(args, { NATS_URL: server.url });
    const { code } = await process.ended;
    expect(process.output().stderr).toMatch(message);
    expect(process.output().stderr.trim().split("\n")).toHaveLength(1);
    expect(code).toBeGreaterThan(0);
  });
});

function lastBeatAgeMs(name: string): number {
  return Date.now() - Date.parse(String(beatsOf(name).at(-1)?.["ts"]));
}
