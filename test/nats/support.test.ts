import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

test("a test server keeps its port and its streams over a kill and a restart", async () => {
  const server = await startNatsServer();
  const nc = await connect({ servers: server.url, reconnectTimeWait: 50 });
  const jsm = await jetstreamManager(nc, { timeout: 500 });
  await jsm.streams.add({ name: "KEPT", subjects: ["kept"] });
  const before = server.pid;
  await server.kill9();
  await server.restart();
  expect(server.pid).not.toBe(before);
  const info = await waitFor(async () => await jsm.streams.info("KEPT"), { what: "the stream" });
  expect(info.config.name).toBe("KEPT");
  await nc.close();
});
