/** What a camera runner tells of its host and of its throttling, seen from outside. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "@nats-io/transport-node";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";
import { hear, runbeat } from "./runbeat-process.ts";
import type { Heard } from "./runbeat-process.ts";

const CAMERA = "camera/pattern/demo";

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

describe("a camera runner on a host that is short of everything", () => {
  it("throttles, and tells of that and of the host's checks in heartbeats and events", async () => {
    const arguments_ = ["--url", "testsrc2=size=160x90:rate=10", "--input-format", "lavfi"];
    const process = await runbeat(
      ["runner", CAMERA, ...arguments_, "--analyse", "motion", "--interval", "0.5"],
      {
        NATS_URL: server.url,
        HEARTBEAT_SNAPSHOT_EVERY: "0",
        // Any host is above these.
        RUNBEAT_RESOURCES_MAX_MEMORY_PERCENT: "1",
        RUNBEAT_RESOURCES_CHECK_EVERY_SEC: "0.2",
        RUNBEAT_CHECKS_MEMORY_WARN_PERCENT: "1",
        RUNBEAT_CHECKS_MEMORY_ERROR_PERCENT: "1",
      },
    );
    const all = ["memory", "network", "file_permissions"];
    const beat = await waitFor(() =>
      heard.beats.find(
        ({ resources, checks }) =>
          (resources as { throttled?: boolean } | undefined)?.throttled === true &&
          all.every((name) => Object.keys(checks ?? {}).includes(name)),
      ),
    );
    expect(beat["resources"]).toMatchObject({
      throttle_reason: expect.stringMatching(/^Memory at \d+%, limit 1%$/) as string,
      host_memory_percent: expect.any(Number) as number,
      memory_mb: expect.any(Number) as number,
    });
    expect(beat["checks"]).toMatchObject({ memory: false, network: true, file_permissions: true });
    const told = (type: string) => heard.events.find((event) => event.type === type);
    const throttle = await waitFor(() => told("throttle_started"));
    expect(throttle.body).toMatchObject({
      reason: expect.stringMatching(/^Memory at \d+%, limit 1%$/) as string,
    });
    const check = await waitFor(() => told("check_failed"));
    expect(check.body).toMatchObject({
      check: "memory",
      message: expect.stringMatching(/^Memory \d+% used, limit 1%$/) as string,
      value: expect.any(Number) as number,
    });
    process.child.kill("SIGTERM");
    expect((await process.ended).code).toBe(0);
  });
});
