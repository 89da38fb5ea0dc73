import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectVersion } from "../../config/project-root.ts";
import { EVENT_TYPES } from "../../lib/core/event.ts";
import { checkExport, messagesOf } from "../../lib/operator/export-reader.ts";
import { foldRecording } from "./fold-recording.ts";

const ENDING = ".ndjson.gz";
const folder = import.meta.dirname;
const recordings = readdirSync(folder).filter((name) => name.endsWith(ENDING));

describe("what a released version has stored", () => {
  test("is recorded for this version too: npm run record", () => {
    expect(existsSync(join(folder, `v${projectVersion()}${ENDING}`))).toBe(true);
  });

  test.each(recordings)("is read and folded to the same rows: %s", async (name) => {
    const file = join(folder, name);
    const rows = JSON.parse(readFileSync(file.replace(ENDING, ".json"), "utf8")) as object;
    await checkExport(file);
    expect(await foldRecording(file)).toEqual(rows);
  });

  test("has every type of event, and fills every table", async () => {
    const file = join(folder, recordings.at(-1) ?? "");
    const subjects: string[] = [];
    for await (const some of messagesOf(file)) subjects.push(...some.map(({ subject }) => subject));
    for (const type of EVENT_TYPES) expect(subjects.some((one) => one.endsWith(type))).toBe(true);
    for (const rows of Object.values(await foldRecording(file))) expect(rows).not.toEqual([]);
  });
});
