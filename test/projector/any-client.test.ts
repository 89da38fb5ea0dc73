/** Whoever can write bytes to a socket can beat: no library of ours is needed, nor a certain one. */
import { once } from "node:events";
import { createConnection } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { connect as connectPrevious } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();

describe("a heartbeat of any client", () => {
  const closers: (() => unknown)[] = [];
  let beats: (runner: string) => unknown;

  beforeAll(async () => {
    const nc = await connect({ servers: server.url });
    closers.push(() => nc.close());
    await makeStreams(nc);
    const db = await openDatabase(join(makeTempDir("any-client"), "runbeat.db"));
    closers.push(() => db.close());
    const options = { nc, db, prefixes: DEFAULT_PREFIXES, projections, log: makeLog().log };
    const projector = await startProjector(options);
    closers.push(() => projector.close());
    const row = db.prepare("select pid, fps from latest_heartbeat where runner = ?");
    beats = (runner) => row.get(runner);
  });

  afterAll(async () => {
    for (const close of closers.toReversed()) await close();
  });

  test("is folded when the previous generation of the client publishes it", async () => {
    const nc = await connectPrevious({ servers: server.url });
    nc.publish("runbeat.hb.camera.old-client.hd", JSON.stringify({ pid: 11, fps: 12.5 }));
    await nc.drain();
    await waitFor(() => beats("camera/old-client/hd") !== undefined, { what: "its row" });
    expect(beats("camera/old-client/hd")).toEqual({ pid: 11, fps: 12.5 });
  });

  test("is folded when it is written to a bare socket", async () => {
    const socket = createConnection({ host: "127.0.0.1", port: server.port });
    await once(socket, "data");
    const body = '{"pid":12}';
    socket.write('CONNECT {"verbose":false}\r\n');
    socket.write(`PUB runbeat.hb.process.bare.default ${body.length}\r\n${body}\r\nPING\r\n`);
    await waitFor(() => beats("process/bare/default") !== undefined, { what: "its row" });
    socket.destroy();
    expect(beats("process/bare/default")).toEqual({ pid: 12, fps: null });
  });
});
