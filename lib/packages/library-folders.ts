import { readdir } from "node:fs/promises";
import { join } from "node:path";

const LIBRARY = /\.so(\.|$)/;
const ROOTS = ["lib", "usr/lib"];

/**
 * Folders below `root` with shared libraries, relative to it, the shallow ones first: some packages
 * keep theirs in a folder of their own that an install script would have linked.
 */
export async function libraryFolders(root: string): Promise<string[]> {
  const folders = new Set<string>();
  for (const top of ROOTS) {
    const entries = await readdir(join(root, top), { recursive: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(top, entry);
      if (LIBRARY.test(path)) folders.add(path.slice(0, path.lastIndexOf("/")));
    }
  }
  return [...folders].toSorted((a, b) => depth(a) - depth(b) || a.localeCompare(b));
}

function depth(path: string): number {
  return path.split("/").length;
}
