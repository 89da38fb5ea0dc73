import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../config/load-settings.ts";
import { SETTING_LIST } from "../../config/setting-list.ts";
import { exampleFile, settingsTable } from "../../config/settings-text.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");
const shipped = join(root, "config", "runbeat.yaml");

/** Prettier lines up the columns of Markdown tables. */
function unpadded(text: string): string {
  return text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
}

describe("config/runbeat.yaml", () => {
  it("lists every key with its default, as `runbeat config --example` prints it", () => {
    expect(readFileSync(shipped, "utf8")).toBe(exampleFile());
  });

  it("changes nothing as it is", () => {
    const { origins } = loadSettings({ file: shipped, environment: {} });
    expect([...origins.values()].filter(({ source }) => source !== "default")).toEqual([]);
  });

  it("is still right with every key taken out of its comment", () => {
    const lines = exampleFile().split("\n");
    const active = lines.map((line) => line.replace(/^( *)# ([a-z_]+: )/, "$1$2"));
    const file = join(makeTempDir("settings"), "active.yaml");
    writeFileSync(file, active.join("\n"));
    const { settings, origins } = loadSettings({ file, environment: {} });
    expect(settings).toEqual(loadSettings({ environment: {} }).settings);
    expect([...origins.values()].map(({ source }) => source)).toEqual(
      SETTING_LIST.map(() => "file"),
    );
  });
});

describe("the README", () => {
  it("has the table that `runbeat config --markdown` prints", () => {
    const readme = unpadded(readFileSync(join(root, "README.md"), "utf8"));
    expect(readme).toContain(unpadded(settingsTable()));
  });
});

describe("every setting", () => {
  it("has a key, a variable and a meaning of its own", () => {
    for (const { key, env, setting } of SETTING_LIST) {
      expect(setting.about, key).toMatch(/^[A-Z].*[^.]$/);
      expect(env.length, key).toBeGreaterThan(0);
    }
    const names = SETTING_LIST.flatMap(({ env }) => env);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has a default that is allowed", () => {
    for (const { key, setting } of SETTING_LIST) {
      expect(setting.schema.safeParse(setting.fallback), key).toMatchObject({
        success: true,
        data: setting.fallback,
      });
    }
  });
});
