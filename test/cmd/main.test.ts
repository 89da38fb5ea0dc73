import { describe, expect, it } from "vitest";
import { COMMAND_TABLE } from "../../cmd/command-table.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { runCommand } from "./command-line.ts";
import type { Outcome } from "./command-line.ts";

const cwd = makeTempDir("main");

async function runbeat(...args: string[]): Promise<Outcome> {
  return await runCommand(args, { cwd });
}

function lines(text: string): string[] {
  return text.trimEnd().split("\n");
}

describe("runbeat", () => {
  it("--help lists every command and shows examples", async () => {
    const { code, stdout } = await runbeat("--help");
    expect(code).toBe(0);
    for (const { name } of COMMAND_TABLE) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    expect(stdout).toContain("$ runbeat status");
  });

  it("--version prints the version", async () => {
    expect(await runbeat("--version")).toEqual({ code: 0, stdout: "0.1.0\n", stderr: "" });
  });

  it("without a command explains itself and says that this was no use: 2", async () => {
    const { code, stderr } = await runbeat();
    expect(code).toBe(2);
    expect(stderr).toContain("Usage: runbeat");
  });

  it("suggests the command that may have been meant, in one line: 2", async () => {
    const { code, stderr } = await runbeat("statsu");
    expect(code).toBe(2);
    expect(lines(stderr)).toEqual([expect.stringMatching(/unknown command 'statsu'.*status/)]);
  });

  it("refuses an unknown option in one line: 2", async () => {
    const { code, stderr } = await runbeat("config", "--bogus");
    expect(code).toBe(2);
    expect(lines(stderr)).toEqual([expect.stringContaining("unknown option '--bogus'")]);
  });

  it("refuses a wrong setting in one line that names it: 2", async () => {
    const { code, stdout, stderr } = await runCommand(["config"], {
      cwd,
      env: { RUNBEAT_HTTP_PORT: "http" },
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(lines(stderr)).toEqual([
      'runbeat: http.port (RUNBEAT_HTTP_PORT in the environment) is "http", but must be a whole number from 0 to 65535',
    ]);
  });

  it("takes global options before and after the command", async () => {
    const before = await runbeat("--data-dir", "/before", "config", "data_dir");
    const after = await runbeat("config", "data_dir", "--data-dir=/after");
    expect(before.stdout).toContain("/before");
    expect(after.stdout).toContain("/after");
  });
});

// Each is a program that starts, says something and ends.
describe.concurrent("every command", () => {
  it.each(COMMAND_TABLE.map(({ name }) => name))(
    "%s explains itself, with an example",
    async (name) => {
      const { code, stdout } = await runbeat(name, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: runbeat ${name}`);
      expect(stdout).toMatch(/^Examples?:$/m);
      expect(stdout).toContain(`runbeat ${name}`);
    },
  );
});
