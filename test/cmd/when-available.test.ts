import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { whenAvailable } from "../../cmd/when-available.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

function watched() {
  const abort = new AbortController();
  const warnings: string[] = [];
  const log = { warn: (_fields: unknown, text: string) => void warnings.push(text) };
  return { abort, warnings, options: { log: log as never, signal: abort.signal } };
}

test("what got no answer is asked again", async () => {
  const server = await startNatsServer();
  const nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc, { timeout: 500 });
  const { warnings, options } = watched();
  await server.freeze();
  const asked = whenAvailable(async () => (await jsm.getAccountInfo()).streams, options);
  await waitFor(() => warnings.length > 0);
  server.thaw();
  expect(await asked).toBe(0);
  expect(warnings[0]).toBe(
    "NATS does not answer (timeout): check that it runs and is not overloaded, and try again",
  );
  await nc.close();
});

test("what won't pass by itself ends it, and so does the signal", async () => {
  const { abort, options } = watched();
  const failing = async (): Promise<never> => await Promise.reject(new TypeError("ours"));
  await expect(whenAvailable(failing, options)).rejects.toThrow("ours");
  const server = await startNatsServer({ jetstream: false });
  const nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const asking = whenAvailable(async () => await jsm.getAccountInfo(), options);
  abort.abort();
  await expect(asking).rejects.toMatchObject({ name: "AbortError" });
  await nc.close();
});
