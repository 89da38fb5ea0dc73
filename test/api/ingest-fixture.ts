/** The API with real streams behind it, for tests of ingest. */
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

export interface IngestFixture {
  readonly api: ApiFixture;
  readonly streams: StreamAccess;
  readonly server: TestNatsServer;
  readonly jsm: JetStreamManager;
  /** What the stream of heartbeats holds at a sequence; throws where the folds would reject it. */
  stored(seq: number): Promise<{ subject: string; body: Record<string, unknown> }>;
  lastSeq(): Promise<number>;
  close(): Promise<void>;
}

export async function ingestFixture(): Promise<IngestFixture> {
  const server = await startNatsServer();
  const nc = await connect({
    servers: server.url,
    reconnectTimeWait: 100,
    maxReconnectAttempts: -1,
  });
  await makeStreams(nc);
  const jsm = await jetstreamManager(nc);
  const streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  await waitFor(() => streams.isConnected());
  const api = await apiFixture({ streams });
  return {
    api,
    streams,
    server,
    jsm,
    stored: async (seq) => await stored(jsm, seq),
    lastSeq: async () => (await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.last_seq,
    close: async () => {
      api.close();
      await nc.close();
    },
  };
}

async function stored(jsm: JetStreamManager, seq: number) {
  const message = await jsm.streams.getMessage("RUNBEAT_HEARTBEATS", { seq });
  if (message === null) throw new Error(`nothing is stored at ${seq}`);
  const runner = message.subject.replace("runbeat.hb.", "").replaceAll(".", "/");
  const decoded = decodeHeartbeat(runner, message.data);
  if (!decoded.ok) throw new Error(`the folds reject ${seq}: ${decoded.rejection.message}`);
  const body = JSON.parse(message.string()) as Record<string, unknown>;
  return { subject: message.subject, body };
}
