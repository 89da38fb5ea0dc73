/**
 * Writes the recording of this version and the rows that its folds make of it, once a release:
 * `npm run record`. A recording that is there stays as it is; where a fold was changed on purpose,
 * `npm run record -- --rows` writes the rows of all recordings again.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, projectVersion } from "../../config/project-root.ts";
import { DEFAULT_PREFIXES, STREAM_KEYS, streamName } from "../../lib/core/subject.ts";
import { formatTime } from "../../lib/core/time.ts";
import { EXPORT_VERSION } from "../../lib/operator/export-format.ts";
import type { ExportManifest } from "../../lib/operator/export-format.ts";
import { ExportWriter } from "../../lib/operator/export-writer.ts";
import { foldRecording } from "./fold-recording.ts";
import { RECORDED_FROM_MS, recording } from "./recording.ts";

const ENDING = ".ndjson.gz";
const folder = join(projectRoot(), "test", "recorded");

async function writeRecording(file: string): Promise<void> {
  const messages = recording();
  const to = formatTime(messages.at(-1)?.timeMs ?? RECORDED_FROM_MS);
  const stream = (key: (typeof STREAM_KEYS)[number]) => {
    const seqs = messages.filter((message) => message.stream === key).map(({ seq }) => seq);
    const name = streamName(DEFAULT_PREFIXES, key);
    return { name, created: to, first_seq: seqs[0] ?? 1, last_seq: seqs.at(-1) ?? 0 };
  };
  const manifest: ExportManifest = {
    runbeat_export: EXPORT_VERSION,
    version: projectVersion(),
    created: to,
    from: null,
    to,
    runner: null,
    redacted: false,
    prefixes: DEFAULT_PREFIXES,
    streams: Object.fromEntries(STREAM_KEYS.map((key) => [key, stream(key)])),
  };
  const writer = new ExportWriter(file, manifest);
  for (const message of messages) writer.write(message);
  await writer.finish();
}

async function writeRows(file: string): Promise<void> {
  const tables = await foldRecording(file);
  writeFileSync(file.replace(ENDING, ".json"), `${JSON.stringify(tables, null, 2)}\n`);
}

const own = join(folder, `v${projectVersion()}${ENDING}`);
const isNew = !existsSync(own);
if (isNew) await writeRecording(own);
const all = readdirSync(folder).filter((name) => name.endsWith(ENDING));
const wanted = process.argv.includes("--rows")
  ? all.map((name) => join(folder, name))
  : isNew
    ? [own]
    : [];
for (const file of wanted) await writeRows(file);
console.log(wanted.length === 0 ? `${own} is there already` : `written: ${wanted.join(", ")}`);
