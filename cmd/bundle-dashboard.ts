/**
 * Runs after every build: makes the page's files out of its source. Their names hold a digest of
 * what is in them, so that browsers keep them for ever; each lies there compressed as well.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { projectRoot } from "../config/project-root.ts";

const DIGEST_CHARS = 10;

const source = join(projectRoot(), "lib", "dashboard");
const target = join(projectRoot(), "dist", "lib", "dashboard");

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, "assets"), { recursive: true });
const html = (await assets()).reduce(
  (text, { name, place }) => text.replace(`/assets/${name}`, place),
  readFileSync(join(source, "index.html"), "utf8"),
);
write("index.html", Buffer.from(html));

/** What the page loads, written under names of their own. */
async function assets(): Promise<readonly { name: string; place: string }[]> {
  const { outputFiles } = await build({
    entryPoints: ["main.tsx", "styles.css"].map((file) => ({
      in: join(source, file),
      out: "main",
    })),
    outdir: target,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    legalComments: "inline",
    logLevel: "warning",
    tsconfig: join(source, "tsconfig.json"),
  });
  const bundled = outputFiles.map(({ path, contents }) => ({
    name: basename(path),
    content: Buffer.from(contents),
  }));
  const icon = { name: "icon.svg", content: readFileSync(join(source, "icon.svg")) };
  return [...bundled, icon].map(({ name, content }) => ({ name, place: keep(name, content) }));
}

function keep(name: string, content: Buffer): string {
  const digest = createHash("sha256").update(content).digest("hex").slice(0, DIGEST_CHARS);
  const extension = extname(name);
  const place = `assets/${basename(name, extension)}-${digest}${extension}`;
  write(place, content);
  return `/${place}`;
}

function write(place: string, content: Buffer): void {
  const file = join(target, place);
  writeFileSync(file, content);
  writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
  const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
  writeFileSync(`${file}.br`, brotliCompressSync(content, { params: quality }));
}
