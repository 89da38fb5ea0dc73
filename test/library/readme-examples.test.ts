/** The examples of the README, run as they stand there against the package by its name. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, it } from "vitest";
import { bareEnvironment } from "../cmd/command-line.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** A folder with Runbeat installed in it and the README's modules beside. */
function userFolder(): string {
  const folder = makeTempDir("library");
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "runbeat"));
  symlinkSync(join(root, "node_modules", "@nats-io"), join(folder, "node_modules", "@nats-io"));
  for (const [name, text] of examples()) writeFileSync(join(folder, name), text);
  return folder;
}

/** Blocks of code that begin with their file's name. */
function examples(): Map<string, string> {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const blocks = readme.matchAll(/```js\n\/\/ (\S+\.mjs)\n(.*?)```/gs);
  return new Map([...blocks].map(([, name = "", text = ""]) => [name, text]));
}

async function runExample(name: string, env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: userFolder(), env: bareEnvironment(env) };
  const { stdout } = await run(process.execPath, [name], options);
  return stdout;
}

describe("the README's examples", () => {
  it("test a projection of one's own", async () => {
    expect([...examples().keys()]).toEqual([
      "beats-by-kind.mjs",
      "beats-by-kind.test.mjs",
      "last-minutes.mjs",
    ]);
    expect(await runExample("beats-by-kind.test.mjs")).toBe("");
  });

  it("would notice a fold that is wrong", async () => {
    const folder = userFolder();
    const file = join(folder, "beats-by-kind.mjs");
    writeFileSync(file, readFileSync(file, "utf8").replace("?? 0) + 1", "?? 0) + 2"));
    const args = ["beats-by-kind.test.mjs"];
    await expect(
      run(process.execPath, args, { cwd: folder, env: bareEnvironment() }),
    ).rejects.toThrow(/deep-equal/);
  });

  it("read the streams and open the state of a moment", async () => {
    const server = await startNatsServer();
    const nc = await connect({ servers: server.url });
    await makeStreams(nc);
    const js = jetstream(nc);
    await js.publish("runbeat.hb.camera.door.hd", JSON.stringify({ pid: 4711 }));
    const storedAt = Date.now();
    await js.publish("runbeat.ev.camera.door.hd.camera_online", "{}");
    await nc.close();
    await waitFor(() => Date.now() > storedAt + 1_100, { what: "a second gone by" });
    const output = await runExample("last-minutes.mjs", { NATS_URL: server.url });
    expect(output).toMatch(/^1 camera\/door\/hd heartbeat\n1 camera\/door\/hd camera_online\n/);
    expect(output).toMatch(/runner: 'camera\/door\/hd', pid: 4711/);
    expect(output).toMatch(/online: 1/);
  });
});
