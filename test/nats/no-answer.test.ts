import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { AppError } from "../../lib/core/errors.ts";
import { noAnswer } from "../../lib/nats/no-answer.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";

async function failureOf(server: TestNatsServer, during?: () => Promise<void>): Promise<unknown> {
  const nc = await connect({ servers: server.url });
  try {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 300 });
    await during?.();
    return await jsm.streams.info("NONE").catch((error: unknown) => error);
  } finally {
    await nc.close();
  }
}

test("a server that stands still gives no answer", async () => {
  const server = await startNatsServer();
  const failure = await failureOf(server, () => server.freeze());
  server.thaw();
  expect(noAnswer(failure)).toMatchObject({
    code: "unavailable",
    message:
      "NATS does not answer (timeout): check that it runs and is not overloaded, and try again",
  });
});

test("nor does one without JetStream, or one that has ended", async () => {
  const server = await startNatsServer({ jetstream: false });
  expect(noAnswer(await failureOf(server))?.code).toBe("unavailable");
  const failure = await failureOf(server, () => server.kill9());
  expect(noAnswer(failure)?.code).toBe("unavailable");
});

test("a refusal is an answer, and so is what has nothing to do with NATS", async () => {
  const server = await startNatsServer();
  const failure = await failureOf(server);
  expect(failure).toMatchObject({ message: "stream not found" });
  expect(noAnswer(failure)).toBeUndefined();
  expect(noAnswer(new TypeError("of ours"))).toBeUndefined();
  expect(noAnswer(new Error("the file cam-503.mp4 is gone"))).toBeUndefined();
  expect(noAnswer(new AppError("conflict", "of ours"))).toBeUndefined();
  const ours = new AppError("unavailable", "of ours");
  expect(noAnswer(ours)).toBe(ours);
});
