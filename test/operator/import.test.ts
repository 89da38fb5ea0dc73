import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { STREAM_KEYS, streamName } from "../../lib/core/subject.ts";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { EXPORT_VERSION } from "../../lib/operator/export-format.ts";
import type { ExportedMessage } from "../../lib/operator/export-format.ts";
import { checkExport } from "../../lib/operator/export-reader.ts";
import type { CheckedExport } from "../../lib/operator/export-reader.ts";
import { ExportWriter } from "../../lib/operator/export-writer.ts";
import { originalHeaders } from "../../lib/operator/import-publisher.ts";
import { importStreams } from "../../lib/operator/import-streams.ts";
import { discardImport } from "../../lib/operator/import-target.ts";
import { openStateAt } from "../../lib/operator/state-at.ts";
import { projections } from "../../projections/index.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { recordedDay, writeRecordedDay } from "../support/recorded-day.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const DAY = {
  seed: 3,
  runners: 40,
  fromMs: Date.UTC(2026, 0, 5),
  durationMs: 1_200_000,
  trouble: 20,
  firstSeq: 901,
};
const { prefixes } = STREAM_OPTIONS;
const dir = makeTempDir("import");
const server = await startNatsServer();
const nc = await connect({ servers: server.url });
const jsm = await jetstreamManager(nc);

afterAll(async () => {
  await nc.close();
});

beforeEach(async () => {
  for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
});

async function dayFile(seed = DAY.seed): Promise<CheckedExport> {
  const file = join(dir, `day-${seed}.ndjson.gz`);
  await writeRecordedDay(file, { ...DAY, seed });
  return await checkExport(file);
}

/** What the streams hold, as an export would have it. */
async function stored(streams = prefixes): Promise<ExportedMessage[]> {
  const found: ExportedMessage[] = [];
  for (const stream of STREAM_KEYS) {
    await readToEnd({
      nc,
      jsm,
      stream: streamName(streams, stream),
      start: { fromSeq: 1 },
      onMessage: ({ seq, timeMs, subject, headers, data }) =>
        void found.push({
          stream,
          seq,
          timeMs,
          subject,
          headers: originalHeaders(headers),
          data: data.slice(),
        }),
    });
  }
  return found;
}

function sorted(messages: readonly ExportedMessage[]): object[] {
  return messages
    .toSorted((a, b) => a.stream.localeCompare(b.stream) || a.seq - b.seq)
    .map((message) => ({ ...message, data: Buffer.from(message.data).toString() }));
}

describe("an import", () => {
  test("knows nothing of a moment after its end, and says where that is", async () => {
    await importStreams({ nc, jsm, streams: STREAM_OPTIONS, export: await dayFile() });
    const endMs = DAY.fromMs + DAY.durationMs;
    const openAt = async (at: number) =>
      await openStateAt({ nc, prefixes, projections, thresholds: DEFAULT_THRESHOLDS, at });
    await expect(openAt(endMs + 60_000)).rejects.toThrow(
      /^2026-01-05T00:21:00.000Z has not come yet: the imported range ends at 2026-01-05T00:20:00/,
    );
    (await openAt(endMs)).close();
  });

  test("has every message with its sequence, time, subject, headers and body", async () => {
    const report = await importStreams({
      nc,
      jsm,
      streams: STREAM_OPTIONS,
      export: await dayFile(),
    });
    const written = [...recordedDay(DAY)];
    expect(report).toEqual({ outcome: "imported", messages: written.length });
    expect(sorted(await stored())).toEqual(sorted(written));
  });

  test("is closed: nothing is added, a start changes nothing, and once more does nothing", async () => {
    const day = await dayFile();
    await importStreams({ nc, jsm, streams: STREAM_OPTIONS, export: day });
    const reports = await reconcileStreams(nc, STREAM_OPTIONS);
    expect(reports.map(({ outcome }) => outcome)).toEqual([
      ...STREAM_KEYS.map(() => "unchanged"),
      "created",
    ]);
    await expect(
      importStreams({ nc, jsm, streams: STREAM_OPTIONS, export: day }),
    ).resolves.toMatchObject({
      outcome: "there",
    });
    const { state } = await jsm.streams.info("RUNBEAT_HEARTBEATS");
    await expect(
      nc.request("runbeat.hb.camera.a.b", "{}").then((answer) => answer.json()),
    ).resolves.toHaveProperty("error");
    expect((await jsm.streams.info("RUNBEAT_HEARTBEATS")).state).toEqual(state);
  });

  test("that was cut off goes on where it ended", async () => {
    const day = await dayFile();
    const abort = new AbortController();
    const onProgress = (): void => abort.abort(new Error("cut off"));
    const options = { nc, jsm, streams: STREAM_OPTIONS, export: day };
    await expect(importStreams({ ...options, signal: abort.signal, onProgress })).rejects.toThrow(
      "cut off",
    );
    expect(await importStreams(options)).toMatchObject({ outcome: "resumed" });
    expect(sorted(await stored())).toEqual(sorted([...recordedDay(DAY)]));
  });

  test("keeps holes as holes, and takes other prefixes", async () => {
    const file = join(dir, "holes.ndjson.gz");
    const kept = [...recordedDay(DAY)].filter(
      ({ stream, seq }) => stream !== "heartbeats" || seq % 97 === 0,
    );
    const day = await dayFile();
    const writer = new ExportWriter(file, { ...day.manifest, runbeat_export: EXPORT_VERSION });
    for (const message of kept) writer.write(message);
    await writer.finish();
    const other = { subject: "other", stream: "OTHER" };
    const streams = { ...STREAM_OPTIONS, prefixes: other };
    await importStreams({ nc, jsm, streams, export: await checkExport(file) });
    const moved = kept.map((message) => ({
      ...message,
      subject: message.subject.replace("runbeat.", "other."),
    }));
    expect(sorted(await stored(other))).toEqual(sorted(moved));
  });

  test("is refused where there is something already, and can be thrown away", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    nc.publish("runbeat.hb.camera.a.b", '{"pid":1}');
    await nc.flush();
    const options = { nc, jsm, streams: STREAM_OPTIONS };
    await expect(importStreams({ ...options, export: await dayFile() })).rejects.toThrow(
      "RUNBEAT_HEARTBEATS has 1",
    );
    expect(await discardImport(jsm, prefixes)).toEqual([]);
    await jsm.streams.delete("RUNBEAT_HEARTBEATS");
    await importStreams({ ...options, export: await dayFile() });
    await expect(importStreams({ ...options, export: await dayFile(4) })).rejects.toThrow(
      "--discard",
    );
    expect(await discardImport(jsm, prefixes)).toHaveLength(5);
    expect(await importStreams({ ...options, export: await dayFile(4) })).toMatchObject({
      outcome: "imported",
    });
  });

  test("notices when something else writes to its streams", async () => {
    const options = { nc, jsm, streams: STREAM_OPTIONS, export: await dayFile() };
    const onProgress = (): void => nc.publish("runbeat.hb.camera.a.b", '{"pid":1}');
    await expect(importStreams({ ...options, onProgress })).rejects.toThrow(
      "something else writes to it",
    );
  });
});
