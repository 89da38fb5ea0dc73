import { copyFileSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { leaveLogToMover, openDatabase, openReadOnly } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { endMoving, openWalMover } from "../../lib/store/wal-mover.ts";
import type { WalMover } from "../../lib/store/wal-mover.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const LONG_PAGES = 100;

let file: string;
let writer: SqliteDatabase;
let mover: WalMover;

beforeEach(async () => {
  file = join(makeTempDir("wal"), "runbeat.db");
  writer = await openDatabase(file);
  leaveLogToMover(writer);
  writer.exec("create table story (chapter integer, text text)");
  mover = openWalMover(file, LONG_PAGES);
});

afterEach(() => {
  mover.close();
  writer.close();
});

/** Each of them takes a page of its own. */
function write(chapters: number): void {
  const insert = writer.prepare("insert into story values (?, ?)");
  for (let chapter = 0; chapter < chapters; chapter++) insert.run(chapter, "x".repeat(4_000));
}

/** Asking moves them too: for the end of a test. */
function pagesInLog(): number {
  const [row] = writer.pragma("wal_checkpoint(PASSIVE)") as { log: number }[];
  return row?.log ?? 0;
}

function count(db: SqliteDatabase): number {
  return db.prepare("select count(*) from story").pluck().get() as number;
}

describe("the write-ahead log", () => {
  it("is moved by somebody else, and begun anew when the writer has ended that", () => {
    write(5_000);
    expect(statSync(`${file}-wal`).size).toBeGreaterThan(5_000 * 4_096);
    expect(mover.move()).toBe(true);
    endMoving(writer);
    write(1);
    expect(pagesInLog()).toBeLessThan(LONG_PAGES);
    expect(count(writer)).toBe(5_001);
  });

  it("says how much was written between two moves, whether it was begun anew or not", () => {
    mover.move();
    write(200);
    mover.move();
    expect(mover.written).toBeGreaterThanOrEqual(200);
    mover.move();
    expect(mover.written).toBe(0);
    write(3);
    mover.move();
    expect(mover.written).toBeGreaterThan(0);
    expect(mover.written).toBeLessThan(50);
  });

  it("needs no end while it is short", () => {
    mover.move();
    write(10);
    expect(mover.move()).toBe(false);
  });

  it("lies in the database file afterwards", () => {
    write(200);
    mover.move();
    const copy = `${file}.copy`;
    copyFileSync(file, copy);
    expect(existsSync(`${copy}-wal`)).toBe(false);
    const alone = openReadOnly(copy);
    expect(count(alone)).toBe(200);
    alone.close();
  });

  it("is not ended under a reader, who goes on seeing what was", () => {
    write(200);
    const reader = openReadOnly(file);
    reader.exec("begin");
    expect(count(reader)).toBe(200);
    write(1_000);
    expect(mover.move()).toBe(false);
    endMoving(writer);
    write(1);
    expect(count(reader)).toBe(200);
    reader.exec("commit");
    expect(count(reader)).toBe(1_201);
    expect(mover.move()).toBe(true);
    reader.close();
  });
});
