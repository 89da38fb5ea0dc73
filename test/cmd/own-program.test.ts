import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { helperFlags, ownProgram } from "../../cmd/own-program.ts";
import { projectVersion } from "../../config/project-root.ts";

describe("our own commands as other processes", () => {
  it("leaves a core to others: V8's helpers are no more than the other cores", () => {
    expect(helperFlags(1)).toEqual(["--v8-pool-size=1"]);
    expect(helperFlags(2)).toEqual(["--v8-pool-size=1"]);
    expect(helperFlags(4)).toEqual(["--v8-pool-size=3"]);
    expect(helperFlags(5)).toEqual([]);
    expect(helperFlags(64)).toEqual([]);
  });

  it("is what node takes, on this machine and on a small one", () => {
    for (const cores of [availableParallelism(), 2]) {
      const { file, args } = ownProgram();
      const { status, stdout } = spawnSync(file, [...helperFlags(cores), ...args, "--version"], {
        encoding: "utf8",
      });
      expect({ status, stdout }).toEqual({ status: 0, stdout: `${projectVersion()}\n` });
    }
  });
});
