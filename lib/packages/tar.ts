/** Reads one file out of a tar archive. Source: POSIX ustar and pax, GNU tar's long names. */
import { basename } from "node:path";

const BLOCK = 512;

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

/** The body of the first regular file with this base name, undefined where there is none. */
export function fileFromTar(archive: Buffer, name: string): Buffer | undefined {
  for (const entry of entriesOf(archive)) {
    if (entry.type === "0" && basename(entry.path) === name) return entry.body;
  }
  return undefined;
}

function* entriesOf(archive: Buffer): Generator<Entry> {
  let longPath: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header[0] === 0) return;
    const size = Number.parseInt(text(header, 124, 12), 8) || 0;
    const type = String.fromCharCode(header[156] || 48);
    const body = archive.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (type === "L") longPath = text(body, 0, size);
    else if (type === "x") longPath = paxPath(body) ?? longPath;
    else {
      yield { path: longPath ?? headerPath(header), type, body };
      longPath = undefined;
    }
  }
}

function headerPath(header: Buffer): string {
  const prefix = text(header, 345, 155);
  return prefix === "" ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
}

function paxPath(body: Buffer): string | undefined {
  return /^\d+ path=(.*)$/m.exec(body.toString("utf8"))?.[1];
}

function text(bytes: Buffer, from: number, length: number): string {
  const field = bytes.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? field.length : end).trim();
}
