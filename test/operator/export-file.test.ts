import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { STREAM_KEYS } from "../../lib/core/subject.ts";
import { messageLine, parseMessageLine } from "../../lib/operator/export-format.ts";
import type { ExportedMessage } from "../../lib/operator/export-format.ts";
import { checkExport, messagesOf } from "../../lib/operator/export-reader.ts";
import { recordedDay, writeRecordedDay } from "../support/recorded-day.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const DAY = {
  seed: 7,
  runners: 20,
  fromMs: Date.UTC(2026, 0, 5),
  durationMs: 600_000,
  trouble: 20,
};
const dir = makeTempDir("export-file");
const good = join(dir, "good.ndjson.gz");
const end = await writeRecordedDay(good, DAY);

async function read(file: string): Promise<ExportedMessage[]> {
  const found: ExportedMessage[] = [];
  for await (const messages of messagesOf(file)) found.push(...messages);
  return found;
}

function plain(message: ExportedMessage): object {
  return { ...message, data: Buffer.from(message.data).toString("latin1") };
}

/** The good file's text, changed, as a file. */
function changed(change: (text: string) => string): string {
  const file = join(dir, "changed.ndjson.gz");
  writeFileSync(file, gzipSync(change(gunzipSync(readFileSync(good)).toString())));
  return file;
}

describe("an export's file", () => {
  test("gives back every message as it was", async () => {
    const written = [...recordedDay(DAY)];
    const found = await read(good);
    for (const key of STREAM_KEYS) {
      const own = ({ stream }: ExportedMessage): boolean => stream === key;
      expect(found.filter(own).map(plain)).toEqual(written.filter(own).map(plain));
    }
    expect(new Set(written.map(({ stream }) => stream)).size).toBe(4);
    expect((await checkExport(good)).messages).toBe(written.length);
    expect(end.streams.heartbeats?.messages).toBeGreaterThan(900);
  });

  test("keeps any bytes and any headers, a JSON body readable as it stands", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.json().map((text) => Buffer.from(text)),
      fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
    );
    const pairs = fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 });
    fc.assert(
      fc.property(bytes, pairs, fc.string(), (data, headers, word) => {
        const message = {
          stream: "events",
          seq: 7,
          timeMs: 1,
          subject: `a.${word}`,
          headers,
          data,
        } as const;
        const line = messageLine(message);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(plain(parseMessageLine(Buffer.from(line)))).toEqual(plain(message));
        expect(JSON.parse(line)).toMatchObject({ stream: "events", seq: 7 });
      }),
    );
  });

  test.each([
    ["cut off in its compression", () => readFileSync(good).subarray(0, 3_000), "is cut off"],
    [
      "without its last line",
      (text: string) => text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1),
      "is cut off",
    ],
    [
      "with a changed body",
      (text: string) => text.replace('"healthy"', '"haelthy"'),
      "the checksum of its heartbeats is another",
    ],
    [
      "with a changed manifest",
      (text: string) => text.replace('"version":"0.0.0"', '"version":"0.0.1"'),
      "its first line was changed",
    ],
    [
      "with a line less",
      (text: string) => text.replace(/\n\{"stream":"heart[^\n]*/, ""),
      "but should hold",
    ],
    ["with a line more", (text: string) => `${text}{}\n`, "after its last line"],
    [
      "of a later form",
      (text: string) => text.replace('"runbeat_export":1', '"runbeat_export":2'),
      "has the form 2 of exports",
    ],
    ["that is something else", () => Buffer.from("hello"), "is not compressed with gzip"],
    ["that is other JSON", () => gzipSync('{"a":1}\n'), "its first line is no manifest"],
    ["that is empty", () => gzipSync(""), "it is empty"],
  ])("%s is refused, saying why", async (_what, change, why) => {
    const file = join(dir, "bad.ndjson.gz");
    const result = change(gunzipSync(readFileSync(good)).toString());
    writeFileSync(file, typeof result === "string" ? gzipSync(result) : result);
    await expect(checkExport(file)).rejects.toThrow(why);
  });

  test("has another identity with another content", async () => {
    const same = await checkExport(changed((text) => text));
    expect(same.id).toBe((await checkExport(good)).id);
    const other = join(dir, "other.ndjson.gz");
    await writeRecordedDay(other, { ...DAY, seed: 8 });
    expect((await checkExport(other)).id).not.toBe(same.id);
  });

  test("leaves nothing behind where it can't be written", async () => {
    const missing = join(dir, "missing", "x.ndjson.gz");
    await expect(writeRecordedDay(missing, DAY)).rejects.toThrow("can't be written");
    expect(readdirSync(dir).filter((name) => name.includes("part"))).toEqual([]);
  });
});
