import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { matchesRunner } from "../../lib/core/runner-id.ts";
import { STREAM_KEYS, runnerOfTokens } from "../../lib/core/subject.ts";
import type { ExportedMessage } from "../../lib/operator/export-format.ts";
import { checkExport, messagesOf } from "../../lib/operator/export-reader.ts";
import { exportStreams, installationNow } from "../../lib/operator/export-streams.ts";
import type { ExportOptions } from "../../lib/operator/export-streams.ts";
import { importStreams } from "../../lib/operator/import-streams.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { recordedDay, writeRecordedDay } from "../support/recorded-day.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const FROM = Date.UTC(2026, 0, 5);
const LENGTH = 900_000;
const DAY = { seed: 5, runners: 30, fromMs: FROM, durationMs: LENGTH, trouble: 20, firstSeq: 51 };
const written = [...recordedDay(DAY)];
const { prefixes } = STREAM_OPTIONS;
const dir = makeTempDir("export-streams");
const server = await startNatsServer();
const nc = await connect({ servers: server.url });
const jsm = await jetstreamManager(nc);
let files = 0;

beforeAll(async () => {
  const day = join(dir, "day.ndjson.gz");
  await writeRecordedDay(day, DAY);
  await importStreams({ nc, jsm, streams: STREAM_OPTIONS, export: await checkExport(day) });
});

afterAll(async () => {
  await nc.close();
});

async function exported(options: Partial<ExportOptions> = {}): Promise<ExportedMessage[]> {
  files += 1;
  const file = join(dir, `out-${files}.ndjson.gz`);
  await exportStreams({
    nc,
    jsm,
    prefixes,
    streams: STREAM_KEYS,
    fromMs: undefined,
    toMs: FROM + LENGTH,
    runner: undefined,
    isRedacted: false,
    file,
    version: "0.0.0",
    ...options,
  });
  await checkExport(file);
  const found: ExportedMessage[] = [];
  for await (const some of messagesOf(file)) found.push(...some);
  return found;
}

function plain(messages: readonly ExportedMessage[]): object[] {
  return messages
    .toSorted((a, b) => a.stream.localeCompare(b.stream) || a.seq - b.seq)
    .map((message) => ({ ...message, data: Buffer.from(message.data).toString() }));
}

/** Of whom a message of the recorded day is. */
function runnerOf({ stream, subject, headers }: ExportedMessage): string {
  const from = headers.find(([name]) => name === "Runbeat-Source-Subject")?.[1] ?? subject;
  const tokens = (stream === "quarantine" ? from : subject).split(".").slice(2, 5);
  return runnerOfTokens(tokens.join(".")) ?? "";
}

describe("an export", () => {
  test("of an import is what was imported", async () => {
    expect(plain(await exported())).toEqual(plain(written));
  });

  test("holds exactly the messages of its range, both ends included", async () => {
    const some = written.filter(({ stream }) => stream === "heartbeats");
    const fromMs = some[200]?.timeMs ?? 0;
    const toMs = some[900]?.timeMs ?? 0;
    const inside = written.filter(({ timeMs }) => timeMs >= fromMs && timeMs <= toMs);
    expect(plain(await exported({ fromMs, toMs }))).toEqual(plain(inside));
  });

  test.each(["*/r7/default", "camera/*", "worker/r*/default"])(
    "of %s has its messages in every stream, and those only",
    async (runner) => {
      const own = written.filter((message) => matchesRunner(runner, runnerOf(message) as never));
      expect(own.length).toBeGreaterThan(20);
      expect(plain(await exported({ runner }))).toEqual(plain(own));
    },
  );

  test("of one stream has that one", async () => {
    const found = await exported({ streams: ["events"] });
    expect(plain(found)).toEqual(plain(written.filter(({ stream }) => stream === "events")));
  });

  test("that is redacted names no host, and the same other name for the same one", async () => {
    const found = await exported({ isRedacted: true });
    const text = found.map(({ data }) => Buffer.from(data).toString()).join("\n");
    expect(text).not.toMatch(/edge-\d/);
    const hostOf = ({ data }: ExportedMessage): unknown =>
      (JSON.parse(Buffer.from(data).toString()) as { host?: unknown }).host;
    const pairs = new Map<unknown, unknown>();
    const shown = new Map(found.map((message) => [`${message.stream} ${message.seq}`, message]));
    for (const message of written.filter(({ stream }) => stream === "heartbeats")) {
      const [was, is] = [message, shown.get(`${message.stream} ${message.seq}`)].map((one) =>
        hostOf(one as ExportedMessage),
      );
      expect(pairs.get(was) ?? is).toBe(is);
      pairs.set(was, is);
    }
    expect(new Set(pairs.values()).size).toBe(pairs.size);
  });

  test("leaves nothing behind when it is stopped", async () => {
    const file = join(dir, "stopped.ndjson.gz");
    const stopped = exported({ file, signal: AbortSignal.abort(new Error("ctrl-C")) });
    await expect(stopped).rejects.toThrow("ctrl-C");
    await expect(checkExport(file)).rejects.toThrow("no such file");
    await expect(checkExport(join(dir, ".stopped.ndjson.gz.part"))).rejects.toThrow("no such file");
  });

  test("knows where the clock of an import stands", async () => {
    expect(await installationNow(jsm, prefixes)).toBe(FROM + LENGTH);
  });
});
