import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { afterAll, expect, test } from "vitest";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { bareEnvironment, programArguments } from "./command-line.ts";

const API_REQUEST = /^H?PUB \$JS\.API\./gm;

const closers: (() => unknown)[] = [];

afterAll(() => {
  for (const close of closers.splice(0).toReversed()) close();
});

/** On the way to a server: cuts the connection instead of passing that request to JetStream on. */
async function cutAtRequest(port: number, cutAt: number): Promise<string> {
  let requests = 0;
  const proxy: Server = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    client.on("error", () => {}).on("close", () => server.destroy());
    server.on("error", () => {}).on("close", () => client.destroy());
    server.pipe(client);
    client.on("data", (data) => {
      const before = requests;
      requests += [...data.toString("latin1").matchAll(API_REQUEST)].length;
      if (before < cutAt && requests >= cutAt) client.destroy();
      else server.write(data);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  closers.push(() => proxy.close());
  return `nats://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

// Its streams are checked up to the 14th; then it looks at them, folds and judges.
test.concurrent.each([16, 19, 24])(
  "a projector whose start loses the answer to its request %i goes on",
  async (cutAt) => {
    const nats = await startNatsServer();
    const url = await cutAtRequest(nats.port, cutAt);
    const folder = makeTempDir("lost-answer");
    const args = programArguments(["projector", "--data-dir", folder, "--nats-url", url]);
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: bareEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const output of [child.stdout, child.stderr])
      output.on("data", (chunk: Buffer) => (said += chunk.toString()));
    closers.push(() => child.kill("SIGKILL"));
    await waitFor(() => said.includes("lease emitter.lease acquired") || child.exitCode !== null);
    expect(said).toContain("lost NATS");
    expect({ code: child.exitCode, said }).toEqual({ code: null, said });
  },
);
