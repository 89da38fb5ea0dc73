import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { makeTempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");

/** What the gate says of each planted file. */
let findings: Map<string, string[]>;

const IMPORT_RULE = "eslint(no-restricted-imports)";
const ENVIRONMENT_RULE = "node(no-process-env)";

const forbidden: [file: string, imported: string][] = [
  ["lib/core/planted-api.ts", "../api/server.ts"],
  ["lib/core/planted-config.ts", "../../config/settings.ts"],
  ["lib/core/planted-store.ts", "../store/tables.ts"],
  ["lib/api/planted-nats.ts", "../nats/streams.ts"],
  ["lib/api/planted-store.ts", "../store/open.ts"],
  ["lib/api/deep/planted-nats.ts", "../../nats/streams.ts"],
  ["lib/api/planted-cmd.ts", "../../cmd/context.ts"],
  ["lib/api/planted-settings.ts", "../../config/settings.ts"],
  ["lib/runner/planted-ffmpeg.ts", "../ffmpeg/locate.ts"],
  ["lib/enforcer/planted-runner.ts", "../runner/client.ts"],
  ["lib/nats/planted-store.ts", "../store/open.ts"],
  ["lib/store/planted-nats.ts", "../nats/streams.ts"],
  ["lib/terminal/planted-api.ts", "../api/server.ts"],
  ["lib/projector/planted-api.ts", "../api/server.ts"],
  ["lib/operator/planted-runner.ts", "../runner/client.ts"],
  ["lib/runner/planted-config.ts", "../../config/runner-env.ts"],
  ["lib/runner/client.ts", "../../config/settings.ts"],
  ["lib/packages/planted-nats.ts", "../nats/server.ts"],
  ["projections/planted-nats.ts", "../lib/nats/streams.ts"],
  ["projections/planted-store.ts", "../lib/store/open.ts"],
  ["migrations/planted-cmd.ts", "../cmd/context.ts"],
  ["config/planted-nats.ts", "../lib/nats/streams.ts"],
  ["cmd/planted-test.ts", "../test/support/wait-for.ts"],
];

const otherForms: [file: string, text: string][] = [
  [
    "lib/api/planted-type.ts",
    'import type { Thing } from "../nats/streams.ts";\n\nexport type A = Thing;\n',
  ],
  ["lib/api/planted-again.ts", 'export { thing } from "../nats/streams.ts";\n'],
  ["lib/api/planted-star.ts", 'export * from "../nats/streams.ts";\n'],
  ["lib/api/planted-late.ts", 'export const late = await import("../nats/streams.ts");\n'],
  [
    "lib/api/planted-round.ts",
    'import { a } from "./../nats/streams.ts";\n\nexport const b = a;\n',
  ],
];

const allowed: [file: string, imported: string][] = [
  ["lib/core/fine.ts", "./errors.ts"],
  ["lib/api/fine.ts", "../core/errors.ts"],
  ["lib/api/deep/fine.ts", "../../core/errors.ts"],
  ["lib/projector/fine.ts", "../nats/streams.ts"],
  ["lib/operator/fine.ts", "../store/open.ts"],
  ["lib/store/fine.ts", "../../migrations/index.ts"],
  ["projections/fine.ts", "../lib/store/tables.ts"],
  ["config/fine.ts", "../lib/core/errors.ts"],
  ["cmd/fine.ts", "../lib/nats/streams.ts"],
];

function plant(folder: string, file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** The gate as `npm run check` runs it, in a folder of planted files. */
function lint(folder: string): Map<string, string[]> {
  const program = join(root, "node_modules", ".bin", "oxlint");
  let output: string;
  try {
    output = execFileSync(program, ["--deny-warnings", "-f", "json"], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch (error) {
    output = (error as { stdout: string }).stdout;
  }
  const { diagnostics } = JSON.parse(output) as {
    diagnostics: { code: string; filename: string }[];
  };
  const byFile = new Map<string, string[]>();
  for (const { filename, code } of diagnostics) {
    byFile.set(filename, [...(byFile.get(filename) ?? []), code]);
  }
  return byFile;
}

beforeAll(() => {
  const folder = makeTempDir("import-rule");
  copyFileSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
  copyFileSync(join(root, "tsconfig.json"), join(folder, "tsconfig.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [file, imported] of [...forbidden, ...allowed]) {
    plant(folder, file, `import { thing } from "${imported}";\n\nexport const copy = thing;\n`);
  }
  for (const [file, text] of otherForms) plant(folder, file, text);
  plant(folder, "lib/api/environment.ts", "export const home = process.env['HOME'];\n");
  plant(folder, "cmd/environment.ts", "export const home = process.env['HOME'];\n");
  plant(
    folder,
    "lib/nats/environment.ts",
    'import { env } from "node:process";\n\nexport const home = env["HOME"];\n',
  );
  plant(folder, "config/environment.ts", "export const home = process.env['HOME'];\n");
  plant(folder, "lib/api/long.ts", "// a line\n".repeat(401));
  plant(folder, "lib/api/default.ts", "export default 1;\n");
  findings = lint(folder);
});

describe("the import rule", () => {
  it.each(forbidden)("stops %s from importing %s", (file) => {
    expect(findings.get(file)).toContain(IMPORT_RULE);
  });

  it.each(otherForms)("sees through the form of %s", (file) => {
    expect(findings.get(file)).toContain(IMPORT_RULE);
  });

  it.each(allowed)("lets %s import %s", (file) => {
    expect(findings.get(file) ?? []).not.toContain(IMPORT_RULE);
  });
});

describe("the house rules", () => {
  it.each(["lib/api/environment.ts", "cmd/environment.ts"])(
    "keep the environment from %s",
    (file) => {
      expect(findings.get(file)).toContain(ENVIRONMENT_RULE);
    },
  );

  it("keep the environment from who asks node:process for it", () => {
    expect(findings.get("lib/nats/environment.ts")).toContain(IMPORT_RULE);
  });

  it("give the environment to config/environment.ts", () => {
    expect(findings.get("config/environment.ts") ?? []).toEqual([]);
  });

  it("stop a file of more than 400 lines and a default export", () => {
    expect(findings.get("lib/api/long.ts")).toContain("eslint(max-lines)");
    expect(findings.get("lib/api/default.ts")).toContain("import(no-default-export)");
  });
});
